--- bytes: PostgreSQL's words for bytea, for where the driver does not see it: inside arrays.

local M = {}

--- The bytes in hexadecimal words.
---@param s string
---@return string
function M.hex(s)
  return "\\x" .. s:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
end

--- And back.
---@param text string
---@return string
function M.unhex(text)
  return (text:sub(3):gsub("%x%x", function(hex) return string.char(tonumber(hex, 16)) end))
end

return M
