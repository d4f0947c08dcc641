-- Raises an error that names a line of its file that no number holds. It is text behind the true place.
-- expect: error ":99999999999999999999: here"

policy "h070" {
  retry = { on = function()
    error("2:99999999999999999999: here", 0)
  end },
}
