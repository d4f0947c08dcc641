-- Raises an error with an address that holds a password. It is masked.
-- expect: error "fails: postgres://***@db"

policy "h072" {
  retry = { on = function(e)
    error(e.text, 0)
  end },
}
