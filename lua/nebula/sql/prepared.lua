--- prepared: a statement that was looked at once, by us and by a server.
--
--   local find, err = orders:prepare("select * from orders where id = :id")
--   local row = find:one { id = 7 }
--
-- Connections prepare every statement by themselves and remember it. What prepare() adds is that a mistake in the
-- statement shows at once, and that the statement is written down in one place.

local errors = require "nebula.error"

---@class nebula.Statement
---@field package on nebula.Resource|nebula.Lease|nebula.Transaction
---@field package sql string
---@field package takes integer how many arguments
local Statement = {}
Statement.__index = Statement

-- Options may stand before the values here too: then there is one argument more than the statement takes.
for _, name in ipairs { "query", "one", "value", "exec", "stream" } do
  Statement[name] = function(self, ...)
    errors.check_self(self, Statement, "statement", name)
    local on = self.on
    local first = ...
    if select("#", ...) == self.takes + 1 and type(first) == "table" then
      return on[name](on, first, self.sql, select(2, ...))
    end
    return on[name](on, self.sql, ...)
  end
end

local M = {}

--- A statement that was prepared.
---@param on nebula.Resource|nebula.Lease|nebula.Transaction what it will be asked of
---@param sql string
---@param text nebula.sql.Text
---@return nebula.Statement
function M.of(on, sql, text)
  return setmetatable({ on = on, sql = sql, takes = text.names and 1 or text.count }, Statement)
end

return M
