-- Raises a table that would loop when it is made text. It is not made text.
-- expect: error "raises an error that is no text"

policy "h074" {
  retry = { on = function()
    error { __tostring = function()
      while true do
      end
    end }
  end },
}
