-- Goes on in a table behind a key that it never had. It is an error, not a walk through memory.
-- expect: error "invalid key to"

policy "h019" {
  retry = { on = function()
    return next({ 1, 2 }, "nowhere") ~= nil
  end },
}
