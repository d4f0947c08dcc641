--- dirty: functions of a database that change the session they are called in, by name, for each resource.
--
-- A kind sees in the words of a statement what it does to its session. What a function does under the words of a
-- SELECT only its author knows, and says: orders:dirty("set_tenant").

local errors = require "nebula.error"
local tokens = require "nebula.sql.tokens"

---@type table<nebula.Resource, { is_said: table<string, boolean>, known: table<nebula.sql.Text, boolean> }>
local said = {}

local M = {
  resources = 0, ---@type integer of which something was said: while there are none, nobody needs to look
}

-- The name without its schema and quotes, as the server keeps it.
local function plain(name)
  local quoted = name:match '"([^"]*)"$'
  return quoted or name:match "[^.]*$":lower()
end

--- Says that a call of these functions changes the session.
---@param resource nebula.Resource
---@param ... string their names; a schema before it says nothing more
---@return true
function M.say(resource, ...)
  local of = said[resource] or { is_said = {}, known = {} }
  for i = 1, select("#", ...) do
    local name = (select(i, ...))
    if type(name) ~= "string" or not plain(name):find "^[^%s()]+$" then
      errors.raise('dirty(...): the name of a function is expected, such as "set_tenant", not %s', tostring(name))
    end
    of.is_said[plain(name)] = true
  end
  of.known = setmetatable({}, { __mode = "k" })
  M.resources = M.resources + (said[resource] and 0 or 1)
  said[resource] = of
  return true
end

local function calls(sql, dialect, is_said)
  local last
  for kind, from, to in tokens.each(sql, tokens.dialects[dialect]) do
    local word = sql:sub(from, to)
    if word == "(" and last and is_said[last] then return true end
    if kind == "word" or kind == "name" then
      last = plain(word)
    elseif kind ~= "space" and kind ~= "comment" then
      last = nil
    end
  end
  return false
end

--- Whether a statement calls one of them.
---@param resource nebula.Resource
---@param text nebula.sql.Text
---@param dialect string
---@return boolean
function M.is_said_of(resource, text, dialect)
  local of = said[resource]
  if not of then return false end
  local known = of.known[text]
  if known == nil then
    known = calls(text.text, dialect, of.is_said)
    of.known[text] = known
  end
  return known
end

return M
