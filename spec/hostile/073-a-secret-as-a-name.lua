-- Uses what it was told as a name, so that the error tells it. A name that is no plain word is not told.
-- expect: error "fails: unknown name string.?"

policy "h073" {
  retry = { on = function(e)
    return string[e.text]
  end },
}
