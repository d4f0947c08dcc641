-- Reads 32,000 digits of base 36, a step each. The clock is looked at in time.
-- expect: time

policy "h022" {
  retry = { on = function()
    local s = ("z"):rep(32000)
    while true do
      tonumber(s, 36)
    end
  end },
}
