-- Removes from places that no list has. There is nothing, and no walk to it.
-- expect: nothing

policy "h015" {
  retry = { on = function()
    local list = { 1, 2, 3 }
    local _ = table.remove(list, -2 ^ 40), table.remove(list, 1e300), table.remove(list, 0 / 0)
    return table.remove(list, 2 ^ 31)
  end },
}
