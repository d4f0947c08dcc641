-- Takes a text to pieces that are nearly all of it. All that is taken counts.
-- expect: memory

policy "h025" {
  retry = { on = function()
    for i = 1, 30000 do
      local _ = ("x"):rep(30000):sub(i)
    end
  end },
}
