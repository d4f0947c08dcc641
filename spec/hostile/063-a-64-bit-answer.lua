-- Answers with a number of C, a type that LuaJIT has beside those of Lua. It is none of the expected types.
-- expect: shape "answers with a cdata"

policy "h063" {
  size = function()
    return 1ULL
  end,
}
