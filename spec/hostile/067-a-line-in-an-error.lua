-- Raises an error that holds a line of a log of its own. It stays in one line.
-- expect: error "x?2026-01-01 error: all is lost"

policy "h067" {
  retry = { on = function()
    error("x\n2026-01-01 error: all is lost", 0)
  end },
}
