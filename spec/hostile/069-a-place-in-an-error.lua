-- Raises an error at a place in a file that is not its own. It is text behind the true place.
-- expect: error "fails: /etc/passwd:1: no"

policy "h069" {
  retry = { on = function()
    error("/etc/passwd:1: no", 0)
  end },
}
