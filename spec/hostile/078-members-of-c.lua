-- Looks for a finalizer in a number of C. It has no members.
-- expect: error "has no member named"

policy "h078" {
  retry = { on = function()
    local number = 1LL
    return number.__gc ~= nil
  end },
}
