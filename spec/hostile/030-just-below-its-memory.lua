-- Takes 220 kB each time, just less than is too much, and lets it go. It may; nothing of it is left.
-- expect: true

policy "h030" {
  retry = { on = function(e)
    local count = 0
    for i = 1, 7 do
      count = count + #("x"):rep(31000 + i + e.n)
    end
    return count > 0
  end },
}
