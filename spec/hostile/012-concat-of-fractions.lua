-- Has 2,000 fractions written by each concat(): once 2 ms in one step. They are written one by one.
-- expect: time or steps

policy "h012" {
  retry = { on = function()
    local list, concat = {}, table.concat
    for i = 1, 2000 do
      list[i] = 1.1e-308
    end
    while true do
      concat(list)
    end
  end },
}
