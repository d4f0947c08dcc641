--- batch: several statements in one round trip.
--
--   local results, err = orders:batch(function(b)
--     b:exec("insert into orders (id) values (?)", 7)
--     b:query("select * from orders where id = ?", 7)
--   end)
--   results[1] -- 1, as exec() says
--   results[2] -- rows, as query() says
--
-- fn only says what is to be sent; all of it goes when fn has returned. All or nothing, unless { each = true } says
-- that each statement stands for itself: then results has the failure itself in the place of one that failed.

local c = require "nebula.c"
local call = require "nebula.call"
local errors = require "nebula.error"
local options = require "nebula.options"
local reading = require "nebula.sql.reading"
local rows = require "nebula.sql.rows"
local verbs = require "nebula.sql.verbs"

local known = { each = "boolean" }
for name, kind in pairs(verbs.options) do known[name] = kind end

---@class nebula.BatchOptions: nebula.CallOptions
---@field each boolean|nil each statement by itself: one that fails hinders no other

---@class nebula.Batch what is to be sent. Its methods take a statement and its values.
---@field package on nebula.Resource|nebula.Lease
---@field package list { text: nebula.sql.Text, values: any[], read: fun(...): any }[]
local Batch = {}
Batch.__index = Batch

-- --- what a statement brought -----------------------------------------------------------------------

local read = {}

function read.query(self, ticket, text)
  return reading.rows(self.on, ticket, text, call.reply.columns, rows.all, call.reply.rows)
end

function read.one(self, ticket, text)
  if call.reply.rows == 0 then return nil end
  return reading.rows(self.on, ticket, text, call.reply.columns, rows.row, 0)
end

function read.value(self, ticket, text)
  if call.reply.rows == 0 then return nil end
  return reading.value(self.on, ticket, text)
end

function read.exec()
  return math.max(tonumber(call.reply.changed), 0)
end

-- As they are sent. A table of all that was given is not compiled, so those that need no thought have their places.
local function values_of(self, text, ...)
  if verbs.is_plain(text, select("#", ...), ...) then
    local a, b, d, e = ...
    return { a, b, d, e }
  end
  return verbs.listed(self.on, text, ...)
end

for name, fn in pairs(read) do
  Batch[name] = function(self, sql, ...)
    errors.check_self(self, Batch, "batch", name)
    if not self.list then
      errors.raise("the batch was sent: its b is of no use outside of its function")
    elseif type(sql) == "table" then
      errors.raise("the statements of a batch have no options of their own: they stand before its function")
    end
    local text = verbs.understand(self.on, sql)
    if text.is_script or text.effect == "transaction" then
      errors.raise("a batch has single statements, and none that begins or ends a transaction, in: %s", text.shown)
    end
    self.list[#self.list + 1] = { text = text, values = values_of(self, text, ...), read = fn }
  end
end

-- --- sending ----------------------------------------------------------------------------------------

local function part_of(self, ticket, list, at)
  local err = call.part(self.on, ticket, at)
  if err then
    err.statement, err.part = list[at].text.shown, at
    return nil, err
  end
  local result, why = list[at].read(self, ticket, list[at].text)
  if why == nil then return result end
  why = reading.failure(list[at].text, why)
  why.part = at
  return nil, why
end

-- Why all of it failed, and the statement that did.
local function failure(err, list)
  local at = call.reply.part
  if at > 0 then
    err.part, err.statement = at, list[at].text.shown
  end
  return err
end

-- What each brought, with the failure in the place of what failed or cannot be read.
local function results_of(self, ticket, list)
  local results, first = { n = #list }, nil
  for at = 1, #list do
    local result, err = part_of(self, ticket, list, at)
    results[at], first = err or result, first or err
  end
  return results, first
end

local function is_repeatable(on, list)
  for _, one in ipairs(list) do
    if not verbs.is_idempotent(on, one.text) then return false end
  end
  return true
end

local function send(self, given)
  local list, is_each = self.list, given.each or false
  self.list = nil
  if #list == 0 then return { n = 0 } end
  local sent = {
    deadline = given.deadline, role = given.role, fail_fast = given.fail_fast, idempotent = given.idempotent,
    dirty = given.dirty, key = given.key, operation = given.operation, policy = given.policy, priority = given.priority,
  }
  for _, one in ipairs(list) do sent.dirty = sent.dirty or verbs.is_dirtying(self.on, one.text) end
  if sent.idempotent == nil then sent.idempotent = is_repeatable(self.on, list) end
  local ticket, err = call.batch(self.on, sent, is_each, list)
  if not ticket then return nil, err end
  if err and not is_each then
    err = failure(err, list)
    call.done(ticket)
    return nil, err
  end
  local results
  results, err = results_of(self, ticket, list)
  call.done(ticket)
  if is_each or not err then return results, err end
  err.results = results -- all of it was done
  return nil, err
end

-- What fn returned says whether it is sent at all.
local function settle(self, given, first, second)
  if first ~= nil or second == nil then return send(self, given) end
  self.list = nil
  return nil, second
end

local M = {}

local function check(on, given, fn)
  options.check("batch", given, known)
  local is_lease = type(on) == "cdata"
  if type(fn) ~= "function" then
    errors.raise("batch(fn): fn must be a function, not %s", type(fn))
  elseif not verbs.resource_of(on).kind.sql.has_batches then
    errors.raise("the kind %s has no batches, because it has no round trips to save: use transaction(fn)",
      verbs.resource_of(on).kind.name)
  elseif is_lease and given.role then
    errors.raise("batch: a lease has its role already, the option is for resources")
  end
  if is_lease then verbs.refuse_rules(given, "this") end
  if is_lease and verbs.streaming[tonumber(on.id)] then
    errors.raise("a stream is open on this lease: read it to its end or close it first")
  elseif is_lease and given.each and c.lib.nebula_in_transaction(c.engine, on.id) == 1 then
    errors.raise("in a transaction a statement that fails takes the others with it: use batch(fn) without each")
  end
end

--- Sends what fn(b) says with b:query(), b:one(), b:value() and b:exec(), in one round trip.
---@param on nebula.Resource|nebula.Lease
---@param given nebula.BatchOptions|fun(b: nebula.Batch)
---@param fn nil|fun(b: nebula.Batch): any nothing is sent before it returns, and nothing at all when that is nil, err
---@return any[]|nil results in order, as the methods of a resource give them; n says how many. nil when nothing
--- was done, or not all of it can be read
---@return nebula.Error|nil err with { each = true } the first failure of results; err.part says which statement it was.
--- err.results when all was done and not all can be read: results with failures in their places
function M.run(on, given, fn)
  if fn == nil then given, fn = {}, given end
  check(on, given, fn)
  local self = setmetatable({ on = on, list = {} }, Batch)
  return settle(self, given, fn(self))
end

return M
