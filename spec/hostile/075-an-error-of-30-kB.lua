-- Raises an error as long as a piece. It is cut.
-- expect: error "fails: xxxxxxxx"

policy "h075" {
  retry = { on = function()
    error(("x"):rep(30000), 0)
  end },
}
