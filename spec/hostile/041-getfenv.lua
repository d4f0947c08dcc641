-- Asks each level of the stack for its environment. There is no such name.
-- expect: error "unknown name getfenv"

policy "h041" {
  retry = { on = function()
    for level = 0, 100 do
      local _ = getfenv(level).debug
    end
  end },
}
