--- methods: what resources and leases of an SQL kind can do. A kind file takes both tables as they are.
--
-- Everywhere: options may stand in a table directly before the statement or the function; parameters are ?, $1 or
-- :name; what the world refuses is nil, err; what the program gets wrong is raised.

local c = require "nebula.c"
local dirty = require "nebula.sql.dirty"
local errors = require "nebula.error"
local lazy = require "nebula.lazy"
local options = require "nebula.options"
local reads = require "nebula.sql.reads"
local verbs = require "nebula.sql.verbs"

local lib, engine = c.lib, c.engine

local batch = lazy "nebula.sql.batch"
local copy_in = lazy "nebula.sql.copy_in"
local copy_out = lazy "nebula.sql.copy_out"
local stream = lazy "nebula.sql.stream"
local transaction = lazy "nebula.sql.transaction"

---@class nebula.SqlMethods
local shared = {}

--- All rows. A row has every column; NULL is null.
---@param ... nebula.CallOptions|string|any options if any, the statement, its values
---@return table<string, any>[]|nil
---@return nebula.Error|nil
function shared.query(self, ...) return verbs.query(self, ...) end

--- The first row.
---@param ... nebula.CallOptions|string|any
---@return table<string, any>|nil row nil when there is none
---@return nebula.Error|nil
function shared.one(self, ...) return verbs.one(self, ...) end

--- The first column of the first row.
---@param ... nebula.CallOptions|string|any
---@return any value nil when there is no row, null when it is NULL
---@return nebula.Error|nil
function shared.value(self, ...) return verbs.value(self, ...) end

--- Runs what brings no rows. On a lease several statements may be joined by semicolons, without values; on a resource
--- they are one transaction.
---@param ... nebula.CallOptions|string|any
---@return integer|nil changed rows that were touched, of several statements by the last
---@return nebula.Error|integer|nil err or, where the server tells it, the row id of the last insert
function shared.exec(self, ...) return verbs.exec(self, ...) end

--- Has a server look at a statement and keeps it.
---@param ... nebula.CallOptions|string options if any, the statement
---@return nebula.Statement|nil
---@return nebula.Error|nil
function shared.prepare(self, ...) return verbs.prepare(self, ...) end

--- The rows one after the other, without holding all of them: for row in orders:stream("select ...") do ... end
---@param ... nebula.CallOptions|string|any
---@return nebula.Stream
function shared.stream(self, ...) return stream.open(self, nil, ...) end

--- Gives the input of a COPY ... FROM STDIN: all or nothing of it is done.
---@param ... nebula.CopyInOptions|string|nebula.CopySource options if any, the statement, where the input comes from
---@return integer|nebula.CopyIn|nil rows that were added; without a source the COPY itself, to be pushed and finished
---@return nebula.Error|nil
function shared.copy_in(self, ...) return copy_in.run(self, nil, ...) end

--- Takes the output of a COPY ... TO STDOUT.
---@param ... nebula.CopyOutOptions|string|nebula.CopySink options if any, the statement, where the output goes
---@return integer|nebula.CopyOut|nil rows that came; without a sink the COPY itself, which is read like a stream
---@return nebula.Error|nil
function shared.copy_out(self, ...) return copy_out.run(self, nil, ...) end

--- Some statements that happen all or not at all.
---@param ... nebula.TransactionOptions|fun(tx: nebula.Transaction): any
---@return any ... what the function returned, true if nothing
---@return nebula.Error|nil
function shared.transaction(self, ...) return transaction.run(self, ...) end

--- Several statements in one round trip: results = orders:batch(function(b) b:exec("...") b:query("...") end)
---@param ... nebula.BatchOptions|fun(b: nebula.Batch)
---@return any[]|nil results in order
---@return nebula.Error|nil
function shared.batch(self, ...) return batch.run(self, ...) end

local resource, lease = {}, {}
for name, method in pairs(shared) do resource[name], lease[name] = method, method end

--- Says that a call of these functions of the database changes the session in a way that nobody sees in the statement,
--- so that the session is made clean before somebody else gets it.
---@param ... string their names
---@return true
function resource.dirty(self, ...) return dirty.say(self, ...) end

--- Says that the session was changed, so that it is made clean before somebody else gets it.
---@return true|nil
---@return nebula.Error|nil err stale
function lease.dirty(self)
  local code = lib.nebula_dirty(engine, self.id)
  if code < 0 then return nil, errors.from_code(nil, code) end
  return true
end

-- Several statements on a resource happen all or not at all, so that it is known what a failure means.
local function exec_script(self, given, sql, ...)
  if select("#", ...) > 0 then
    errors.raise("several statements at once take no values")
  end
  options.check("exec", given, verbs.options)
  verbs.refuse_rules(given, "what has several statements")
  local whole = { deadline = given.deadline, role = given.role, fail_fast = given.fail_fast, key = given.key }
  return transaction.run(self, whole,
    function(tx) return tx:exec({ dirty = given.dirty }, sql) end)
end

function resource.exec(self, first, ...)
  local sql = type(first) == "table" and (...) or first
  if not verbs.understand(self, sql).is_script then return verbs.exec(self, first, ...) end
  if type(first) == "table" then return exec_script(self, first, ...) end
  return exec_script(self, {}, first, ...)
end

return { resource = resource, lease = lease, reads = reads }
