-- Answers with the nought that has a sign. It is less than 1 as the other is.
-- expect: shape "answers with -0, not"

policy "h062" {
  size = function(e)
    return -0 * e.n
  end,
}
