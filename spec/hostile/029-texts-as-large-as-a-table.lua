-- Takes texts of just the size that the table of all texts has when it is made smaller, which is nobody's piece. They
-- count.
-- expect: memory

policy "h029" {
  retry = { on = function()
    for i = 1, 1e6 do
      local _ = i .. ("x"):rep(2 ^ 11 - 29)
    end
  end },
}
