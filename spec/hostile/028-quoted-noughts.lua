-- Quotes a text of 16,000 bytes that each become two and more. The result is a piece.
-- expect: memory

policy "h028" {
  retry = { on = function()
    return #("%q"):format(("\0001"):rep(8000)) > 0
  end },
}
