--- rows: what a statement brought, as tables.
--
-- A row has every column: NULL is null, so that row.nme, which nobody selected, is nil and nothing else is.
-- Two columns of one name would hide each other, so they are a mistake of the statement.

local c = require "nebula.c"
local call = require "nebula.call"
local new_table = require "table.new"

local TEXT = c.lib.NEBULA_TEXT

local cell, column, lua = call.cell, call.column, call.lua

local M = {}

---@class nebula.sql.Layout what all rows of a result have in common; columns count from 1
---@field count integer
---@field names string[]
---@field decoders (fun(text: string): any|false)[]
---@field catalog nebula.sql.Catalog|nil whose decoders they are

--- Reads the columns of a reply.
---@param ticket integer
---@param count integer how many columns
---@param types table<integer, false|fun(text: string): any>|nil decoders by the kind's type; nil of one: not known
---@return nebula.sql.Layout? layout nil when two columns have one name, or a type is not known
---@return string? complaint
---@return integer[]? unknown types
function M.layout(ticket, count, types)
  local names, decoders, is_used, unknown = new_table(count, 0), new_table(count, 0), {}, nil
  for at = 1, count do
    local name, kind = column(ticket, at - 1)
    if is_used[name] then
      return nil, ("two columns are called %s: give one another name with AS"):format(name)
    end
    is_used[name], names[at] = true, name
    local decode = false
    if types then decode = types[kind] end
    if decode == nil then
      unknown = unknown or {}
      unknown[#unknown + 1] = kind
    end
    decoders[at] = decode
  end
  if unknown then return nil, nil, unknown end
  return { count = count, names = names, decoders = decoders }
end

-- Decoders are for words; what the driver gave as a number or a boolean is one already.
local function value_of(v, decode)
  if decode and v.type == TEXT then return decode(lua(v)) end
  return lua(v)
end

--- One row.
---@param ticket integer
---@param layout nebula.sql.Layout
---@param at integer from 0
---@return table<string, any>
function M.row(ticket, layout, at)
  local count, names, decoders = layout.count, layout.names, layout.decoders
  local row = new_table(0, count)
  for i = 1, count do
    row[names[i]] = value_of(cell(ticket, at, i - 1), decoders[i])
  end
  return row
end

--- All rows of a reply.
---@param ticket integer
---@param layout nebula.sql.Layout
---@param count integer
---@return table<string, any>[]
function M.all(ticket, layout, count)
  local list = new_table(count, 0)
  for at = 1, count do
    list[at] = M.row(ticket, layout, at - 1)
  end
  return list
end

--- The first column of the first row.
---@param ticket integer
---@param types table<integer, false|fun(text: string): any>|nil
---@return any
---@return integer? unknown its type, when that is not known
function M.first(ticket, types)
  local _, kind = column(ticket, 0)
  local decode = false
  if types then decode = types[kind] end
  if decode == nil then return nil, kind end
  return value_of(cell(ticket, 0, 0), decode)
end

return M
