-- Inserts at a place that is not a number, which no comparison refuses. It is refused all the same.
-- expect: error "there is no such position"

policy "h014" {
  retry = { on = function()
    table.insert({ 1, 2 }, 0 / 0, 3)
    return true
  end },
}
