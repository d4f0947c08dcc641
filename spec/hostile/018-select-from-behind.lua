-- Selects from a place before the first, whose negative overflows. It is refused.
-- expect: error "bad argument #1 to"

policy "h018" {
  retry = { on = function()
    return (select(-2 ^ 31, 1, 2, 3))
  end },
}
