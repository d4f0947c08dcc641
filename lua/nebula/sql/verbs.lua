--- verbs: what may be asked of a database, once for every kind and for resources and leases alike.
--
-- `on` is a resource, and then the engine leases a connection for this one statement and may retry it;
-- or a lease. What the server refuses is returned as nil, err; what cannot be meant is raised.

local c = require "nebula.c"
local call = require "nebula.call"
local dirty = require "nebula.sql.dirty"
local errors = require "nebula.error"
local inside = require "nebula.sql.inside"
local lazy = require "nebula.lazy"
local options = require "nebula.options"
local parameters = require "nebula.sql.parameters"
local reading = require "nebula.sql.reading"
local rows = require "nebula.sql.rows"
local statement = require "nebula.sql.statement"

local encode = lazy "nebula.sql.encode"
local prepared = lazy "nebula.sql.prepared"
local lib = c.lib
local run = call.run

---@class nebula.sql.Kind what a kind says of its SQL
---@field dialect string a dialect of tokens.lua
---@field begin fun(asked: nebula.TransactionOptions): string the words that begin a transaction
---@field guard { on: string, off: string }? words that keep a session from writing, where `begin` cannot
---@field catalog { of: fun(resource: nebula.Resource, lease: nebula.Lease?): nebula.sql.Catalog }? where the types of
--- its columns are known
---@field has_arrays boolean?
---@field has_copy boolean?
---@field has_batches boolean? the driver takes several statements at once
---@field idempotent table<nebula.sql.Effect, true>? statements with these effects may be done twice without harm;
--- default: those that only read

local M = {}

--- Streams that are open on leases, by the lease's number: nothing else can be asked of those.
---@type table<integer, nebula.Stream>
M.streaming = setmetatable({}, { __mode = "v" })

M.options = {
  deadline = "string", role = "string", fail_fast = "boolean", idempotent = "boolean", dirty = "boolean",
  key = "string", operation = "string", policy = "string", priority = "string",
}

-- Of those that a cache or a fallback may stand before.
M.reading_options = { cache = "boolean", fallback = "boolean" }
for name, kind in pairs(M.options) do M.reading_options[name] = kind end

--- The resource that a resource or a lease stands for.
---@param on nebula.Resource|nebula.Lease
---@return nebula.Resource
function M.resource_of(on)
  return type(on) == "cdata" and call.resources[on.resource] or on
end

local function kind_of(on)
  return M.resource_of(on).kind.sql
end

--- What is known of a statement; raises when it cannot be meant.
---@param on nebula.Resource|nebula.Lease
---@param sql any
---@return nebula.sql.Text
function M.understand(on, sql)
  local kind = kind_of(on)
  if type(sql) ~= "string" then
    errors.raise("the statement must be a string, not %s", type(sql))
  end
  local text, complaint = statement.of(sql, kind.dialect)
  return text or errors.raise("%s", complaint)
end

-- --- sending ----------------------------------------------------------------------------------------

-- What the words of a statement say counts where the caller says nothing.
local REPEATABLE, ONCE, WRITING = { idempotent = true }, {}, { role = "writer" }
local READING = { idempotent = true, role = "replica" }

--- Where a statement goes that only reads: nil, to the first role.
---@param on nebula.Resource
---@return string|nil role not while the task is in a transaction there, whose work it may look for
function M.reading_role(on)
  return on.reads and not inside.is_in(on) and on.reads or nil
end

local READS = { read = true }

--- Whether doing a statement twice does no harm, as its kind knows it by its words.
---@param on nebula.Resource|nebula.Lease
---@param text nebula.sql.Text
---@return boolean
function M.is_idempotent(on, text)
  return (kind_of(on).idempotent or READS)[text.effect] == true and not text.is_script and not text.copies
end

local function defaults(on, text)
  if M.is_idempotent(on, text) then return type(on) ~= "cdata" and M.reading_role(on) and READING or REPEATABLE end
  if text.effect ~= "write" or type(on) == "cdata" or not on.role_index.writer then return ONCE end
  if inside.has_writer(on) then
    errors.raise("%s is in a transaction of this task, which has the writer: use its tx, in: %s", on.name, text.shown)
  end
  return WRITING
end

local function merged(one, other)
  local both = {}
  for name, value in pairs(one) do both[name] = value end
  for name, value in pairs(other) do both[name] = value end
  return both
end

local DIRTYING = { dirty = true }

--- Whether somebody said of a statement that it changes its session.
---@param on nebula.Resource|nebula.Lease
---@param text nebula.sql.Text
---@return boolean
function M.is_dirtying(on, text)
  return dirty.resources > 0 and dirty.is_said_of(M.resource_of(on), text, kind_of(on).dialect)
end

-- What goes by rules: a call of a resource, and nothing that runs on a lease.
local BY_RULES = { "operation", "policy", "priority" }

--- Raises when a call that runs on a lease says by which rules it goes.
---@param given table
---@param what string for the sentence
function M.refuse_rules(given, what)
  for _, name in ipairs(BY_RULES) do
    if given[name] then
      errors.raise("the option %s is for a resource: %s runs on a lease, which goes by no rules", name, what)
    end
  end
end

local function with_defaults(on, given, text)
  local default = defaults(on, text)
  if M.is_dirtying(on, text) then default = merged(default, DIRTYING) end
  if not given then return default end
  local own = type(on) == "cdata" and (given.role and "role" or given.key and "key")
  if own then errors.raise("a lease has its %s already, the option is for resources, in: %s", own, text.shown) end
  if type(on) == "cdata" then M.refuse_rules(given, text.shown) end
  return merged(default, given)
end

-- Most statements have a few plain values, and those need no table.
local function is_plain(text, count, a, b, d, e)
  return count == text.count and count <= 4 and not text.names and type(a) ~= "table" and type(b) ~= "table"
    and type(d) ~= "table" and type(e) ~= "table"
end

M.is_plain = is_plain

local function listed(on, text, ...)
  local list, complaint = parameters.arrange(text, ...)
  if list then list, complaint = encode.all(list, text.count, kind_of(on).has_arrays) end
  return list or errors.raise("%s, in: %s", complaint, text.shown)
end
M.listed = listed

--- Sends a statement and waits for its end. Owes call.done(ticket).
---@param on nebula.Resource|nebula.Lease
---@param verb integer lib.NEBULA_RUN ...
---@param given nebula.CallOptions|nil checked
---@param text nebula.sql.Text
---@param ... any its values
---@return integer|nil ticket
---@return nebula.Error|nil
function M.send(on, verb, given, text, ...)
  if type(on) == "cdata" and M.streaming[tonumber(on.id)] then
    errors.raise("a stream is open on this lease: read it to its end or close it first, in: %s", text.shown)
  end
  local ticket, err
  local full = with_defaults(on, given, text)
  if is_plain(text, select("#", ...), ...) then
    ticket, err = run(on, verb, full, text.text, text.count, ...)
  else
    ticket, err = call.run_list(on, verb, full, text.text, text.count, listed(on, text, ...))
  end
  if not ticket then
    err.statement = text.shown
    return nil, err
  end
  return ticket
end

local function refuse_control(on, text)
  if text.effect ~= "transaction" then return end
  if type(on) ~= "cdata" then
    errors.raise("a statement alone cannot begin or end a transaction: use %s:transaction(fn), in: %s",
      on.name, text.shown)
  elseif inside.is_in(on) then
    errors.raise("a transaction of this task is open on this lease, and ends with its function, in: %s", text.shown)
  end
end

local function ask(on, given, sql, ...)
  local text = M.understand(on, sql)
  refuse_control(on, text)
  if text.is_script then
    errors.raise("several statements at once bring no rows: use exec(), in: %s", text.shown)
  end
  local ticket, err = M.send(on, lib.NEBULA_RUN, given, text, ...)
  return ticket, err, text
end

-- --- the verbs --------------------------------------------------------------------------------------

local verb = {}

-- What was read, or why it cannot be.
local function read_of(text, value, err)
  if value ~= nil then return value end
  if type(err) == "string" then reading.raise(text, err) end
  return nil, err
end

local function read_rows(on, ticket, text, fn, argument)
  local value, err = reading.rows(on, ticket, text, call.reply.columns, fn, argument)
  call.done(ticket)
  return read_of(text, value, err)
end

function verb.query(on, given, sql, ...)
  local ticket, err, text = ask(on, given, sql, ...)
  if not ticket then return nil, err end
  return read_rows(on, ticket, text, rows.all, call.reply.rows)
end

function verb.one(on, given, sql, ...)
  local ticket, err, text = ask(on, given, sql, ...)
  if not ticket then return nil, err end
  if call.reply.rows > 0 then return read_rows(on, ticket, text, rows.row, 0) end
  call.done(ticket)
  return nil
end

function verb.value(on, given, sql, ...)
  local ticket, err, text = ask(on, given, sql, ...)
  if not ticket then return nil, err end
  local value
  if call.reply.rows > 0 then value, err = reading.value(on, ticket, text) end
  call.done(ticket)
  return read_of(text, value, err)
end

function verb.exec(on, given, sql, ...)
  local text = M.understand(on, sql)
  refuse_control(on, text)
  local what = lib.NEBULA_RUN
  if text.is_script then
    what = lib.NEBULA_SCRIPT
    if text.count > 0 then
      errors.raise("several statements at once take no values, in: %s", text.shown)
    end
  end
  local ticket, err = M.send(on, what, given, text, ...)
  if not ticket then return nil, err end
  local changed, id = tonumber(call.reply.changed), tonumber(call.reply.last_id)
  call.done(ticket)
  return math.max(changed, 0), id ~= 0 and id or nil
end

function verb.prepare(on, given, sql)
  local text = M.understand(on, sql)
  refuse_control(on, text)
  if text.is_script then
    errors.raise("only one statement can be prepared at a time, in: %s", text.shown)
  end
  local ticket, err = run(on, lib.NEBULA_PREPARE, with_defaults(on, given, text), text.text, 0)
  if not ticket then
    err.statement = text.shown
    return nil, err
  end
  call.done(ticket)
  return prepared.of(on, sql, text)
end

local reads = { query = true, one = true, value = true }

for name, fn in pairs(verb) do
  local known = reads[name] and M.reading_options or M.options
  M[name] = function(on, first, ...)
    if type(first) == "table" then
      return fn(on, options.check(name, first, known), ...)
    end
    return fn(on, nil, first, ...)
  end
end

return M
