-- Raises an error that clears the terminal and hides what follows. No control character is shown.
-- expect: error "?[2J?[8mhidden"

policy "h066" {
  retry = { on = function()
    error("\27[2J\27[8mhidden\r\b\127\0155", 0)
  end },
}
