-- Raises an error of signs that printf() knows. They are text.
-- expect: error "%s%s%n%999999d%*d"

policy "h068" {
  retry = { on = function()
    error("%s%s%n%999999d%*d", 0)
  end },
}
