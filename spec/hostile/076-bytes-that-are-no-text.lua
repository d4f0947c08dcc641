-- Raises an error of bytes that are no UTF-8, and of letters that turn the line round. None is shown.
-- expect: error "fails: ????????x"

policy "h076" {
  retry = { on = function()
    error("\255\254\192\128\237\226\128\174x", 0)
  end },
}
