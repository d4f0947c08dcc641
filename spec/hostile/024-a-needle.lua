-- Looks for a text in one that has all of it but the last byte, at each place. It is looked for some places a step.
-- expect: time or memory

policy "h024" {
  retry = { on = function()
    local hay, needle = ("a"):rep(30000), ("a"):rep(700) .. "b"
    while true do
      hay:find(needle, 1, true)
    end
  end },
}
