-- Takes a little and lets it go, for ever. What is given back counts as taken.
-- expect: memory

policy "h026" {
  retry = { on = function()
    while true do
      local _ = {}
    end
  end },
}
