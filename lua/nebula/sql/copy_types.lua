--- copy_types: the columns of a COPY and their types, which its bytes do not tell: asked of the database before it.
--
-- Of a table the catalogue knows them, also for who may not read it; of a query its columns do, with no row of it. It
-- is asked each time, over the connection that the COPY goes over: so they are those of now.

local binary = require "nebula.sql.types.binary.codecs"
local c = require "nebula.c"
local call = require "nebula.call"
local errors = require "nebula.error"
local reading = require "nebula.sql.reading"
local rows = require "nebula.sql.rows"
local verbs = require "nebula.sql.verbs"

local lib = c.lib

-- What a COPY takes of a table: all columns that are not calculated.
local QUESTION = [[
select a.attname::text as name, a.atttypid::bigint as type from pg_catalog.pg_attribute a
where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped
  and coalesce(to_jsonb(a) ->> 'attgenerated', '') = '' order by a.attnum]]

local M = {}

local function refuse(format, ...)
  return nil, errors.new("usage", "fix", "failed", (format):format(...))
end

local function ask(self, sql, count, ...)
  return call.run(self.lease, lib.NEBULA_RUN, { until_us = self.until_us, idempotent = true }, sql, count, ...)
end

-- Those that the statement names, in its order. One that is not there is left to the server, which refuses the COPY.
local function chosen(found, names)
  if not names then return found end
  local by_name, list = {}, {}
  for _, column in ipairs(found) do by_name[column.name] = column end
  for _, name in ipairs(names) do list[#list + 1] = by_name[name] end
  return list
end

local function of_table(self)
  local table_of = self.text.copies.table
  local ticket, err = ask(self, QUESTION, 1, table_of.name)
  if not ticket then return nil, err end
  local found = rows.all(ticket, assert(rows.layout(ticket, call.reply.columns)), call.reply.rows)
  call.done(ticket)
  return chosen(found, table_of.columns)
end

local function of_query(self, query)
  if self.text.effect == "write" then
    return refuse "what writes can be asked for its columns only by doing it: take text or csv, or chunks"
  end
  local text = verbs.understand(self.on, ("select * from (%s\n) as copied where false"):format(query))
  local ticket, err = ask(self, text.text, 0)
  if not ticket then return nil, err end
  local found = {}
  for at = 1, call.reply.columns do
    local name, kind = call.column(ticket, at - 1)
    found[at] = { name = name, type = kind }
  end
  call.done(ticket)
  return found
end

-- As the server calls a type that nothing here knows.
local function name_of(self, number)
  local ticket = ask(self, "select $1::oid::regtype::text", 1, number)
  if not ticket then return tostring(number) end
  local name = call.lua(call.cell(ticket, 0, 0))
  call.done(ticket)
  return name
end

--- The columns of a COPY that has its connection and has not begun.
---@param self nebula.Copy
---@return nebula.sql.CopyColumn[]|nil
---@return nebula.Error|nil
function M.of(self)
  local query = self.text.copies.query
  local found, err
  if query then found, err = of_query(self, query) else found, err = of_table(self) end
  if not found then return nil, err end
  local numbers = {}
  for at, column in ipairs(found) do numbers[at] = column.type end
  local catalog
  catalog, err = reading.know(self.lease, self.text, numbers, self.until_us)
  if not catalog then return nil, err end
  for _, column in ipairs(found) do
    local unknown
    column.codec, unknown = binary.of(catalog, column.type)
    if not column.codec then
      return refuse("column %s: binary rows have no values of type %s: take text or csv, or chunks", column.name,
        unknown ~= "" and unknown or name_of(self, column.type))
    end
  end
  local names = self.given.columns
  if names and #names ~= #found then
    return refuse("the option columns has %d names, and the statement %d columns", #names, #found)
  end
  return found
end

return M
