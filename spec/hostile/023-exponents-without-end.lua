-- Numbers whose exponents are as long as texts may be, in ten and in two. They are read once, not counted up to.
-- expect: time or steps

policy "h023" {
  retry = { on = function()
    local a, b = "1e-" .. ("9"):rep(30000), "0x1p" .. ("9"):rep(30000)
    while true do
      local _ = tonumber(a), tonumber(b)
    end
  end },
}
