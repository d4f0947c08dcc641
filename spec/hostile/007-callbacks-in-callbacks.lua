-- Calls gsub() in what gsub() calls, to overflow the stack of C. There is only that of Lua, and it is a piece.
-- expect: memory

policy "h007" {
  retry = { on = function()
    local function again(c)
      return (c:gsub(".", again))
    end
    return again "x" == "x"
  end },
}
