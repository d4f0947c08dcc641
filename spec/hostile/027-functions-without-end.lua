-- Makes functions, each of which holds on to the last. They are memory like all else.
-- expect: memory

policy "h027" {
  retry = { on = function()
    local f
    while true do
      local before = f
      f = function() return before end
    end
  end },
}
