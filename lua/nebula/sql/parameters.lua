--- parameters: one statement, three ways to write its parameters, one way to send them.
--
--   where id = ? and state = ?          in order
--   where id = $1 or parent = $1        by number
--   where id = :id and state = :state   by name, values in one table
--
-- All are rewritten to what the server numbers itself ($1, or ?1 on SQLite), so that a statement
-- moves between kinds unchanged. A statement keeps to one style. `??` is a literal question mark.

local tokens = require "nebula.sql.tokens"

---@class nebula.sql.Parameters
---@field text string the statement in the server's own style
---@field count integer how many values it takes
---@field names string[]? the names by number, when they are named

local advice = {
  ["$"] = "write ?, $1 or :name",
  ["@"] = "write ?, $1 or :name",
  ["?"] = "write ? or $1",
}

local number_of = {
  ["?"] = function(seen) return seen.count + 1 end,
  ["$"] = function(_, word) return tonumber(word:sub(2)) end,
  [":"] = function(seen, word)
    local name = word:sub(2)
    if not seen.numbers[name] then
      seen.names[seen.count + 1] = name
      seen.numbers[name] = seen.count + 1
    end
    return seen.numbers[name]
  end,
}

local function complaint(seen, style, word)
  if style == "foreign" then
    return ("the parameter %s has a style of its own: %s"):format(word, advice[word:sub(1, 1)])
  end
  if seen.style and seen.style ~= style then
    return ("the statement mixes the parameter styles %s and %s: keep to one%s"):format(
      seen.word, word, (style == "?" or seen.style == "?") and " (?? is a literal ?)" or "")
  end
end

local function unused(seen)
  for number = 1, seen.count do
    if not seen.used[number] then
      return ("the statement uses $%d but not $%d"):format(seen.count, number)
    end
  end
end

local M = {}

--- Rewrites a statement. Pure; see statement.lua for the cache.
---@param sql string
---@param dialect nebula.sql.Dialect
---@return nebula.sql.Parameters? parameters nil when the statement cannot be meant
---@return string? complaint what is wrong with it
function M.rewrite(sql, dialect)
  local seen = { count = 0, used = {}, names = {}, numbers = {} }
  local piece = {}
  for kind, first, last in tokens.each(sql, dialect) do
    local word = sql:sub(first, last)
    if kind == "??" then
      word = "?"
    elseif number_of[kind] or kind == "foreign" then
      local wrong = complaint(seen, kind, word)
      if wrong then return nil, wrong end
      local number = number_of[kind](seen, word)
      if number < 1 or number > dialect.most then
        return nil, ("there is no parameter %s: they go from 1 to %d"):format(word, dialect.most)
      end
      seen.style, seen.word = kind, seen.word or word
      seen.used[number] = true
      seen.count = math.max(seen.count, number)
      word = dialect.placeholder .. number
    end
    piece[#piece + 1] = word
  end
  local wrong = unused(seen)
  if wrong then return nil, wrong end
  return {
    text = table.concat(piece),
    count = seen.count,
    names = seen.style == ":" and seen.names or nil,
  }
end

local function by_name(names, values)
  local list = {}
  for number, name in ipairs(names) do
    local value = values[name]
    if value == nil then
      return nil, ("no value for :%s (null is written null, not nil)"):format(name)
    end
    list[number] = value
  end
  return list
end

--- Puts the caller's values in the order of the numbers.
---@param parameters nebula.sql.Parameters
---@param ... any the values, or one table for named parameters
---@return any[]? values nil when they do not fit
---@return string? complaint
function M.arrange(parameters, ...)
  local given = select("#", ...)
  if parameters.names then
    local values = ...
    if given ~= 1 or type(values) ~= "table" then
      return nil, ("the statement names its parameters (:%s): give one table with their values")
        :format(parameters.names[1])
    end
    return by_name(parameters.names, values)
  end
  if given ~= parameters.count then
    return nil, ("the statement takes %d value%s, %d given"):format(
      parameters.count, parameters.count == 1 and "" or "s", given)
  end
  local list = { ... }
  for number = 1, given do
    if list[number] == nil then
      return nil, ("value %d is nil: write null for NULL"):format(number)
    end
  end
  return list
end

return M
