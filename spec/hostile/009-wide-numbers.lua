-- Numbers with 400 digits in one format(), without end. It is ended by the clock, the steps or the bytes taken.
-- expect: time or memory or steps

policy "h009" {
  retry = { on = function()
    local p = ("%99.99f"):rep(32)
    while true do
      p:format(unpack({ 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308,
        1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308, 1e308 }))
    end
  end },
}
