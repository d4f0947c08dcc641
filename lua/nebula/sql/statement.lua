--- statement: all that is known of one SQL text before it is sent, found out once.
--
-- Programs send the same few texts again and again, so what was found out is kept: the thousand
-- texts used last, in two generations, so that a program which builds its SQL anew each time costs
-- work and no memory.

local copying = require "nebula.sql.copying"
local effect = require "nebula.sql.effect"
local parameters = require "nebula.sql.parameters"
local redact = require "nebula.sql.redact"
local tokens = require "nebula.sql.tokens"

local MOST = 500 -- in each generation

---@class nebula.sql.Text: nebula.sql.Parameters
---@field effect nebula.sql.Effect
---@field is_script boolean more than one statement
---@field shown string the statement without its literals
---@field copies nebula.sql.Copying? it is a COPY from or to the client

local function analyse(sql, dialect)
  if sql:find("\0", 1, true) then return nil, "the statement has a NUL byte in it" end
  local text, complaint = parameters.rewrite(sql, dialect)
  if not text then return nil, complaint end
  text.effect, text.is_script = effect.of(sql, dialect)
  text.copies = copying.of(sql, dialect)
  if text.copies and text.copies.direction == "out" then
    text.effect = text.copies.query and effect.of(text.copies.query, dialect) or "read"
  end
  text.shown = redact.statement(sql, dialect)
  return text
end

local function remember(dialect)
  local young, old, count = {}, {}, 0
  return function(sql)
    local text = young[sql]
    if text then return text end
    local complaint
    text = old[sql]
    if not text then text, complaint = analyse(sql, dialect) end
    if not text then return nil, complaint end
    if count == MOST then young, old, count = {}, young, 0 end
    young[sql], count = text, count + 1
    return text
  end
end

local of = {}
for name, dialect in pairs(tokens.dialects) do of[name] = remember(dialect) end

local M = {}

--- What is known of a statement.
---@param sql string
---@param dialect string "postgres" or "sqlite"
---@return nebula.sql.Text? text nil when the statement cannot be meant
---@return string? complaint with the statement as it may be shown
function M.of(sql, dialect)
  local text, complaint = of[dialect](sql)
  if text then return text end
  return nil, ("%s, in: %s"):format(complaint, redact.statement(sql, tokens.dialects[dialect]))
end

return M
