--- reading: what a reply brought, as values, once the types of its columns are known.
--
-- A type that the database defines itself is asked for when a reply first has one: over the lease that brought it, so
-- that what a transaction has made is seen in it; by another connection of the resource where a stream is still open
-- on the lease. The reply is kept meanwhile, but call.reply is another one then: read it before.

local c = require "nebula.c"
local call = require "nebula.call"
local errors = require "nebula.error"
local rows = require "nebula.sql.rows"

local lib, engine = c.lib, c.engine

local UNKNOWN, UNREADABLE = "the types of its columns cannot be found out", "what it brought cannot be read"
local REFRESH_US, AGAIN_US = 60e6, 1e6

local M = {}

local function catalog_of(on)
  local lease = type(on) == "cdata" and on or nil
  local resource = lease and call.resources[lease.resource] or on
  local of = resource.kind.sql.catalog
  return of and of.of(resource, lease)
end

-- The statement was done, and only what it brought cannot be read.
local function explain(text, err, what)
  err.text = what .. ": " .. err.text
  err.statement = text.shown
  err.outcome = text.effect == "read" and "failed" or "in_doubt"
  return err
end

-- The question belongs to the call that brought them, and has what is left of its time.
local function deadline_of(ticket)
  lib.nebula_reply(engine, ticket, call.reply)
  return tonumber(call.reply.deadline_us)
end

local function learn(on, text, catalog, unknown, until_us, is_fail_fast)
  local numbers = "{" .. table.concat(unknown, ",") .. "}"
  local options = { idempotent = true, fail_fast = is_fail_fast, until_us = until_us }
  local ticket, err = call.run(on, lib.NEBULA_RUN, options, catalog.question, 1, numbers)
  if not ticket then return nil, explain(text, err, UNKNOWN) end
  local count, columns = call.reply.rows, call.reply.columns
  local found = rows.all(ticket, assert(rows.layout(ticket, columns, catalog.decoders)), count)
  call.done(ticket)
  catalog:learn(unknown, found)
  for _, one in ipairs(found) do
    if one.kind == "composite" then catalog.due_us = tonumber(lib.nebula_now_us(engine)) + REFRESH_US end
  end
  return true
end

-- Asks again for all that is known, if that is long ago; but without waiting for a connection, because what is known
-- will do. Not over a lease: in a transaction a question that fails would take it along.
local function refresh(on, ticket, text, catalog)
  local now_us = tonumber(lib.nebula_now_us(engine))
  if now_us < catalog.due_us or type(on) == "cdata" then return end
  local numbers = {}
  for number in pairs(catalog.learnt) do numbers[#numbers + 1] = number end
  local again_us = now_us + AGAIN_US -- others go on with what is known meanwhile
  catalog.due_us = again_us
  if learn(on, text, catalog, numbers, deadline_of(ticket), true) and catalog.due_us == again_us then
    catalog.due_us = nil -- no composite is left
  end
end

--- The catalog of a database, which knows these types as they are now.
---@param on nebula.Lease that is asked
---@param text nebula.sql.Text for which
---@param numbers integer[]
---@param until_us number|nil when they are of no use any more; default: the policy's deadline
---@return nebula.sql.Catalog|nil
---@return nebula.Error|nil
function M.know(on, text, numbers, until_us)
  local catalog, own = catalog_of(on), {}
  for _, number in ipairs(numbers) do
    if number >= catalog.first_own then own[#own + 1] = number end
  end
  if #own == 0 then return catalog end
  local ok, err = learn(on, text, catalog, own, until_us)
  if not ok then return nil, err end
  return catalog
end

-- What all rows of a reply have in common; or nil and why not: an error, or a string that two columns have one name.
local function layout_of(on, ticket, text, columns)
  local catalog = catalog_of(on)
  if catalog and catalog.due_us then refresh(on, ticket, text, catalog) end
  local layout, complaint, unknown = rows.layout(ticket, columns, catalog and catalog.decoders)
  if layout then
    layout.catalog = catalog
    return layout
  elseif not unknown then
    return nil, complaint
  end
  local ok, err = learn(on, text, catalog, unknown, deadline_of(ticket))
  if not ok then return nil, err end
  return layout_of(on, ticket, text, columns)
end

-- Before values are read: what other readings met is none of this one's.
local function begin(catalog)
  if catalog then catalog.failure, catalog.is_stale = nil, nil end
end

-- After it: what a codec said, and whether a type is another one by now. Nothing is left for others.
local function met(catalog)
  if not catalog then return nil, nil end
  local failure, is_stale = catalog.failure, catalog.is_stale
  catalog.failure, catalog.is_stale = nil, nil
  return failure, is_stale
end

-- Reads once more when a type has become another one. What is odd then stays words.
local function read(on, ticket, text, columns, fn, argument, layout, is_again)
  local err
  if not layout then layout, err = layout_of(on, ticket, text, columns) end
  if not layout then return nil, err end
  begin(layout.catalog)
  local value = fn(ticket, layout, argument)
  local failure, is_stale = met(layout.catalog)
  if failure then return nil, failure end
  if is_stale and not is_again then
    layout.catalog:forget()
    return read(on, ticket, text, columns, fn, argument, nil, true)
  end
  return value, nil, layout
end

--- Rows of a reply.
---@param on nebula.Resource|nebula.Lease that may be asked
---@param ticket integer
---@param text nebula.sql.Text
---@param columns integer
---@param fn fun(ticket: integer, layout: nebula.sql.Layout, argument: integer): any rows.all or rows.row
---@param argument integer for fn
---@param layout nebula.sql.Layout|nil of an earlier reply of this statement
---@return any value nil when they cannot be read
---@return nebula.Error|string|nil err a string says what is wrong in the program: for raise() or failure()
---@return nebula.sql.Layout|nil layout for its later replies
function M.rows(on, ticket, text, columns, fn, argument, layout)
  return read(on, ticket, text, columns, fn, argument, layout, false)
end

--- The first column of the first row.
---@param on nebula.Resource|nebula.Lease that may be asked
---@param ticket integer
---@param text nebula.sql.Text
---@return any value nil when it cannot be read
---@return nebula.Error|string|nil err as of rows()
function M.value(on, ticket, text, is_again)
  local catalog = catalog_of(on)
  if catalog and catalog.due_us then refresh(on, ticket, text, catalog) end
  begin(catalog)
  local value, unknown = rows.first(ticket, catalog and catalog.decoders)
  if unknown then
    local ok, err = learn(on, text, catalog, { unknown }, deadline_of(ticket))
    if not ok then return nil, err end
    return M.value(on, ticket, text, is_again)
  end
  local failure, is_stale = met(catalog)
  if failure then return nil, failure end
  if is_stale and not is_again then
    catalog:forget()
    return M.value(on, ticket, text, true)
  end
  return value
end

--- Raises what is wrong in the program.
---@param text nebula.sql.Text
---@param complaint string
function M.raise(text, complaint)
  errors.raise("%s, in: %s", complaint, text.shown)
end

--- The same as a value, for where more was done than this statement.
---@param text nebula.sql.Text
---@param err nebula.Error|string what rows() or value() said
---@return nebula.Error
function M.failure(text, err)
  if errors.is(err) then return err end
  return explain(text, errors.new("usage", "fix", "failed", err), UNREADABLE)
end

return M
