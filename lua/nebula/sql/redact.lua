--- redact: a statement as it may be shown to anybody: its shape, without what it carried.

local tokens = require "nebula.sql.tokens"

local MOST = 200 -- bytes, for one line of an error

local shown_as = { text = "?", number = "?", space = " ", comment = " " }

local M = {}

--- Masks the literals of a statement, drops its comments and cuts it to one line.
---@param sql string
---@param dialect nebula.sql.Dialect
---@return string
function M.statement(sql, dialect)
  local piece = {}
  for kind, first, last in tokens.each(sql, dialect) do
    piece[#piece + 1] = shown_as[kind] or sql:sub(first, last)
    if last > 4 * MOST then break end
  end
  local line = table.concat(piece):gsub("%s+", " "):match "^%s*(.-)%s*$"
  if #line > MOST then line = line:sub(1, MOST - 3) .. "..." end
  return line
end

return M
