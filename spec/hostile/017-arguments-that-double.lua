-- Doubles its arguments with each call. The stack is a piece of memory.
-- expect: memory

policy "h017" {
  retry = { on = function()
    local function twice(...)
      local list = { ... }
      for i = 1, #list do
        list[#list + 1] = i
      end
      return twice(unpack(list))
    end
    return twice(1)
  end },
}
