-- Sorts by an order that contradicts itself, in C. There is no such name.
-- expect: error "unknown name table.sort"

policy "h050" {
  retry = { on = function()
    local list = { 3, 1, 2 }
    table.sort(list, function() return true end)
    return true
  end },
}
