--- call: one request to a server, from a Lua call to its reply. For the kinds' methods, not for workflows.
--
--   local ticket, err = call.run(on, lib.NEBULA_RUN, options, text, select("#", ...), ...)
--   if not ticket then return nil, err end
--   ... call.reply.rows, call.cell(ticket, row, column) ...
--   call.done(ticket)
--
-- call.reply is one struct for the whole state: read it before the next wait. The request is written into a struct
-- that is used again and again, because nebula_call() copies it.

local arguments = require "nebula.arguments"
local c = require "nebula.c"
local errors = require "nebula.error"
local lazy = require "nebula.lazy"
local outside = require "nebula.outside"
local units = require "nebula.units"
local value = require "nebula.value"
local wait = require "nebula.wait"

local balance = lazy "nebula.balance"
local operations = lazy "nebula.operations"
local lib, engine = c.lib, c.engine

local LARGEST = 2 ^ 53 -- whole numbers beyond it are not exact in a double

local request = c.new("struct nebula_request")
local cell = c.new("struct nebula_value")
local column_info = c.new("struct nebula_column")
local parts, parts_room = nil, 0

local call = {
  reply = c.new("struct nebula_reply"), ---@type ffi.cdata* of the last call.run() that gave a ticket
  resources = {},                       ---@type table<integer, nebula.Resource> by number
  streams = 0,                          ---@type integer that hold a connection of their own, or were forgotten with it
  policies = nil,                       ---@type nil|fun(): table<string, table> by name, for calls that name one
  places = nil,                         ---@type nil|fun(policy: string): nebula.Places|nil where its settings stand
}

-- --- options ----------------------------------------------------------------------------------------

---@class nebula.CallOptions
---@field deadline string|nil a duration ("250ms"); never beyond that of the task. Default: the policy's
---@field role string|nil one of the kind's roles; not with a lease. Default: the first
---@field fail_fast boolean|nil do not queue for a connection. Default: the pool's
---@field idempotent boolean|nil doing it twice does no harm, so it may be repeated when in doubt
---@field dirty boolean|nil it changes its session in a way that its words do not tell, so the session is made clean
---@field key string|nil where calls are balanced by key: equal keys go to the same endpoint
---@field operation string|nil one of the resource's operations, whose policy it goes by
---@field policy string|nil a declared policy, by which it goes. Default: the resource's
---@field priority string|nil "critical", "normal" or "batch", where calls wait. Default: the operation's, "normal"
---@field window integer|nil stream: most rows fetched at a time
---@field package until_us number|nil instead of the deadline: a point of the engine's time

--- The number of a role.
---@param resource nebula.Resource
---@param role string|nil nil: the first
---@return integer
function call.role(resource, role)
  return role == nil and 0 or resource.role_index[role]
    or errors.raise('%s has no role "%s"; its roles are: %s', resource.name, tostring(role),
      table.concat(resource.roles, ", "))
end

--- The option `deadline` in microseconds; 0, which the engine takes for the policy's, when it is not given.
---@param text string|nil
---@return integer|nil us nil: no time at all, so nothing is to be begun
function call.span(text)
  if text == nil then
    return 0
  end
  local us, why = units.duration(text)
  if not us then
    errors.raise("deadline: %s", why)
  end
  return us > 0 and us or nil
end

--- The failure of what was given no time at all.
---@param resource nebula.Resource
---@return nebula.Error
function call.too_late(resource)
  return errors.too_late(resource.name)
end

-- --- the call ---------------------------------------------------------------------------------------

local function resource_of(on)
  return type(on) == "cdata" and call.resources[on.resource] or on
end

local function address(on, options)
  if outside.watches > 0 then
    outside.touch(resource_of(on).name, type(on) == "cdata" and on or nil)
  end
  if type(on) == "cdata" then
    request.lease, request.resource, request.role = on.id, on.resource, 0
    return
  end
  request.lease, request.resource = 0, on.id
  request.role = options and call.role(on, options.role) or 0
end

local function fail(on, code, ticket)
  local name = resource_of(on).name
  if code < 0 then
    return nil, errors.from_code(name, code)
  end
  local err = errors.from_reply(name, call.reply)
  lib.nebula_done(engine, ticket)
  return nil, err
end

-- The values are in their places. The code, and a ticket unless it is negative.
local function ask(on, verb, options, text, n)
  address(on, options)
  request.verb, request.count, request.value = verb, n, arguments.values
  request.text, request.text_size = text, #text
  if options then
    local within_us = options.until_us and options.until_us - tonumber(lib.nebula_now_us(engine))
      or call.span(options.deadline)
    if not within_us or options.until_us and within_us <= 0 then
      return nil
    end
    request.within_us = within_us
    request.is_idempotent = options.idempotent or false
    request.is_fail_fast = options.fail_fast or false
    request.is_dirty = options.dirty or false
    request.window = options.window or 1
    request.operation, request.priority = 0, 0
    if options.operation or options.policy or options.priority then
      local refusal = operations.put(request, resource_of(on), options)
      if refusal then
        return refusal
      end
    end
  else
    request.within_us, request.window, request.operation, request.priority = 0, 1, 0, 0
    request.is_idempotent, request.is_fail_fast, request.is_dirty = false, false, false
  end
  local key = options and options.key
  if key then balance.enter(key) end
  local ticket = lib.nebula_call(engine, request)
  if key then balance.leave() end
  if call.streams > 0 and lib.nebula_ticket(engine) == ticket then
    collectgarbage() -- as in leasing.lua
  end
  local code = wait.await(ticket)
  if code >= 0 then
    lib.nebula_reply(engine, ticket, call.reply)
  end
  return code, ticket
end

local function send(on, verb, options, text, n)
  local code, ticket = ask(on, verb, options, text, n)
  if not code then
    return nil, call.too_late(resource_of(on))
  elseif code ~= 0 then
    return fail(on, code, ticket)
  end
  return ticket
end

--- Sends one request and waits for its end.
---@param on nebula.Resource|nebula.Lease with a resource the engine leases a connection for this alone and may retry
---@param verb integer lib.NEBULA_RUN ... (nebula.h)
---@param options nebula.CallOptions|nil already checked for unknown names
---@param text string
---@param n integer how many parameters follow
---@param ... any null, booleans, numbers, strings, int64, bytes()
---@return integer|nil ticket for call.cell() ... until call.done(), which the caller owes
---@return nebula.Error|nil
function call.run(on, verb, options, text, n, ...)
  arguments.put_all(n, ...)
  local ticket, err = send(on, verb, options, text, n) -- no tail call: it would leave the values to the collector
  return ticket, err
end

--- The same with the values in a list: there may be more than a call of Lua has arguments.
---@param on nebula.Resource|nebula.Lease
---@param verb integer
---@param options nebula.CallOptions|nil
---@param text string
---@param n integer how many of the list
---@param list any[]
---@return integer|nil ticket
---@return nebula.Error|nil
function call.run_list(on, verb, options, text, n, list)
  arguments.reserve(n)
  arguments.put_list(0, n, list)
  local ticket, err = send(on, verb, options, text, n) -- as in run()
  return ticket, err
end

local function put_parts(list)
  local count, values = #list, 0
  for i = 1, count do
    values = values + list[i].text.count
  end
  arguments.reserve(values)
  if count > parts_room then
    parts, parts_room = c.new("struct nebula_part[?]", count), count
  end
  local at = 0
  for i = 1, count do
    local one, part = list[i], parts[i - 1]
    part.text, part.text_size, part.count = one.text.text, #one.text.text, one.text.count
    part.value = arguments.values + at
    arguments.put_list(at, one.text.count, one.values)
    at = at + one.text.count
  end
  request.part, request.parts = parts, count
end

--- Sends several statements as one request and waits for its end.
---@param on nebula.Resource|nebula.Lease
---@param options nebula.CallOptions already checked
---@param is_each boolean each by itself, not all or nothing
---@param list { text: nebula.sql.Parameters, values: any[] }[] at least one
---@return integer|nil ticket for call.part() until call.done(), which the caller owes; nil when nothing was begun
---@return nebula.Error|nil err what became of the whole
function call.batch(on, options, is_each, list)
  put_parts(list)
  request.is_each = is_each
  local code, ticket = ask(on, lib.NEBULA_BATCH, options, "", 0) -- as in run()
  if not code then
    return nil, call.too_late(resource_of(on))
  elseif code < 0 then
    return nil, errors.from_code(resource_of(on).name, code)
  end
  return ticket, code > 0 and errors.from_reply(resource_of(on).name, call.reply) or nil
end

--- From here on call.reply, call.cell() and call.column() speak of this part of a batch.
---@param on nebula.Resource|nebula.Lease that was asked
---@param ticket integer
---@param part integer from 1
---@return nebula.Error|nil err when it failed
function call.part(on, ticket, part)
  lib.nebula_part(engine, ticket, part)
  lib.nebula_reply(engine, ticket, call.reply)
  return call.reply.code ~= 0 and errors.from_reply(resource_of(on).name, call.reply) or nil
end

--- Gives a ticket back; its cells are gone then.
---@param ticket integer
function call.done(ticket)
  lib.nebula_done(engine, ticket)
end

--- One cell, in a struct that the next call of this uses again. Rows and columns count from 0.
---@param ticket integer
---@param row integer
---@param column integer
---@return ffi.cdata* struct nebula_value
function call.cell(ticket, row, column)
  if lib.nebula_cell(engine, ticket, row, column, cell) < 0 then
    error(c.string(lib.nebula_error(engine)), 2)
  end
  return cell
end

--- A cell as Lua has it: null, boolean, number (int64 beyond 2^53), string.
---@param v ffi.cdata* struct nebula_value
---@return any
function call.lua(v)
  local kind = v.type
  if kind == lib.NEBULA_TEXT or kind == lib.NEBULA_BYTES then
    return c.string(v.bytes, v.size)
  elseif kind == lib.NEBULA_INT then
    local number = tonumber(v.integer)
    return number > -LARGEST and number < LARGEST and number or v.integer
  elseif kind == lib.NEBULA_FLOAT then
    return v.number
  elseif kind == lib.NEBULA_BOOL then
    return v.integer ~= 0
  end
  return value.null
end

--- A column's name and the kind's own number of its type.
---@param ticket integer
---@param column integer from 0
---@return string name
---@return integer type
function call.column(ticket, column)
  if lib.nebula_column(engine, ticket, column, column_info) < 0 then
    error(c.string(lib.nebula_error(engine)), 2)
  end
  return c.string(column_info.name, column_info.size), column_info.type
end

return call
