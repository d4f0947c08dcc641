-- Unpacks from the least to the greatest number, whose count overflows. It is refused.
-- expect: error "too many results to unpack"

policy "h016" {
  retry = { on = function()
    return (unpack({}, -2 ^ 31, 2 ^ 31 - 1))
  end },
}
