#!/bin/rm -rf / ; --
-- A first line for a shell, a line end of another system, and a name of bytes that are no UTF-8. It is only Lua, and
-- answers.
-- expect: true
local ÿþÀ = true

policy "h094" { retry = { on = function()
  return ÿþÀ
end } }
