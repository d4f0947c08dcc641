-- A loop so hot that it would be compiled, where no hook fires. Nothing is compiled.
-- expect: steps

policy "h002" {
  retry = { on = function()
    local sum = 0
    for i = 1, 1e9 do
      sum = sum + i % 7
    end
    return sum > 0
  end },
}
