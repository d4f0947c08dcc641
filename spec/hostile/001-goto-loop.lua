-- A loop made of a label alone. The hook counts jumps too.
-- expect: steps

policy "h001" {
  retry = { on = function()
    ::again::
    goto again
  end },
}
