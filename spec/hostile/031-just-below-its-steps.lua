-- Uses 80,000 steps each time. It may, and holds the worker no longer than its bound.
-- expect: true

policy "h031" {
  retry = { on = function(e)
    for _ = 1, 40000 do
      local _ = e
    end
    return true
  end },
}
