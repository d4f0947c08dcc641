--- copy: what both directions of a COPY share: its statement, its connection, its deadline, its progress.
--
-- See copy_in.lua and copy_out.lua. A COPY is a stream with a connection for itself; each chunk is a request.

local c = require "nebula.c"
local call = require "nebula.call"
local errors = require "nebula.error"
local holding = require "nebula.sql.holding"
local lazy = require "nebula.lazy"
local options = require "nebula.options"
local time = require "nebula.time"
local verbs = require "nebula.sql.verbs"

local copy_types = lazy "nebula.sql.copy_types"
local lib, engine = c.lib, c.engine

local TELL_US = 250000 -- between two words of progress

---@class nebula.Copy: nebula.sql.Holder
---@field package given table its options
---@field package text nebula.sql.Text
---@field package state "new"|"begun"|"open"|"ended"
---@field package failure nebula.Error|nil what ended it
---@field package until_us number|nil its deadline
---@field package bytes integer so far
---@field package rows integer so far, as the server or the lines count them
---@field package types nebula.sql.CopyColumn[]|nil of binary rows, once they are known
---@field package told_us number when its progress was told last
---@field package watcher nebula.sql.CopyWatcher|nil

--- Told that it is open, and when it is not any more.
---@alias nebula.sql.CopyWatcher fun(open: nebula.Copy|nil, err: nebula.Error|nil)

local M = {}

M.options = { deadline = "string", role = "string", fail_fast = "boolean", progress = "function", columns = "table",
  key = "string" }

local function now_us()
  return tonumber(lib.nebula_now_us(engine))
end

-- --- the statement ----------------------------------------------------------------------------------

local function understand(on, what, direction, sql)
  local kind = verbs.resource_of(on).kind
  if not kind.sql.has_copy then
    errors.raise("%s: the kind %s has no COPY: insert the rows in a transaction", what, kind.name)
  end
  local text = verbs.understand(on, sql)
  if not text.copies or text.copies.direction ~= direction then
    errors.raise('%s takes a statement "copy ... %s", in: %s', what,
      direction == "in" and "from stdin" or "to stdout", text.shown)
  elseif text.is_script or text.count > 0 then
    errors.raise("%s takes one statement, and no values, in: %s", what, text.shown)
  end
  return text
end

--- Whether rows of it have types that are to be asked for before it begins.
---@param self nebula.Copy
---@return boolean
function M.is_binary(self)
  return self.text.copies.format == "binary"
end

--- Raises unless its lines are of a kind that rows can be written to and read from.
---@param self nebula.Copy
---@param what string the method
function M.check_rows(self, what)
  local copies = self.text.copies
  if copies.differs then
    errors.raise("%s: rows have lines as they are without options: leave out %s, or take chunks, in: %s", what,
      copies.differs, self.text.shown)
  end
end

local function check_columns(what, names)
  for at = 1, math.max(#names, 1) do
    if type(names[at]) ~= "string" then
      errors.raise("%s: the option columns is a list of names, in the order of the statement", what)
    end
  end
end

-- --- its life ---------------------------------------------------------------------------------------

--- A COPY that has not begun.
---@param class table
---@param on nebula.Resource|nebula.Lease
---@param what string the method
---@param direction "in"|"out"
---@param given table
---@param known table<string, string>
---@param sql any
---@return nebula.Copy
function M.new(class, on, what, direction, given, known, sql)
  options.check(what, given, known)
  if given.columns then check_columns(what, given.columns) end
  if given.role and type(on) == "cdata" then
    errors.raise("%s: a lease has its role already, the option is for resources", what)
  end
  local text, now = understand(on, what, direction, sql), now_us()
  local span_us = call.span(given.deadline)
  return setmetatable({
    on = on,
    given = given,
    text = text,
    state = "new",
    until_us = given.deadline and now + (span_us or 0),
    bytes = 0,
    rows = 0,
    told_us = now,
  }, class)
end

--- It is over. What is still open of it is ended with the lease, or by whoever calls this.
---@param self nebula.Copy
---@param err nebula.Error|nil
function M.finish(self, err)
  if self.state == "ended" then return end
  self.state, self.failure = "ended", err or self.failure
  holding.leave(self)
  if self.watcher then self.watcher(nil, err) end
  self.watcher = nil
end

--- Ends it before its end: nothing more goes either way. On a lease that stays, the server is told.
---@param self nebula.Copy
---@param err nebula.Error|nil
function M.give_up(self, err)
  local lease, watcher, is_open = self.lease, self.watcher, holding.is_to_be_stopped(self)
  M.finish(self, err)
  local failure = is_open and holding.stop(lease) or nil
  if failure and not err then
    self.failure = failure
    if watcher then watcher(nil, failure) end
  end
  return failure
end

-- No input is done that was not finished, and to have read nothing is nothing. What writes and brings lines may be done
-- before their end was read, unless the server itself says that it was not.
local function judge(self, err)
  local is_out = self.text.copies.direction == "out"
  if is_out and self.text.effect ~= "read" then
    if self.state == "open" and err.state == "" then err.outcome = "in_doubt" end
  elseif not self.is_finishing then
    err.outcome = "failed"
  end
end

--- Ends it by a failure.
---@param self nebula.Copy
---@param err nebula.Error
---@return nil
---@return nebula.Error
function M.fail(self, err)
  err.statement = self.text.shown
  judge(self, err)
  M.give_up(self, err)
  return nil, err
end

--- Has the server begin it.
---@param self nebula.Copy
---@param has_rows boolean|nil which are to be written or read
---@return true|nil
---@return nebula.Error|nil
function M.begin(self, has_rows)
  local given = self.given
  local ok, err = holding.take(self, { role = given.role, fail_fast = given.fail_fast, deadline = given.deadline,
    key = given.key })
  if not ok then return M.fail(self, err) end
  if has_rows and M.is_binary(self) then
    self.types, err = copy_types.of(self)
    if not self.types then return M.fail(self, err) end
  end
  local ticket
  ticket, err = holding.begin(self, { until_us = self.until_us })
  if not ticket then return M.fail(self, err) end
  call.done(ticket)
  if self.state == "ended" then return nil, self.failure end -- as in ask()
  self.state = "open"
  holding.open(self)
  return true
end

--- One request. Owes call.done(ticket); when it fails, the COPY has ended.
---@param self nebula.Copy
---@param verb integer
---@param bytes string
---@return integer|nil ticket
---@return nebula.Error|nil
function M.ask(self, verb, bytes)
  if self.state == "ended" then return nil, self.failure end -- with its transaction, while another task was in it
  local ticket, err = call.run(self.lease, verb, { until_us = self.until_us }, bytes, 0)
  if not ticket then return M.fail(self, err) end
  return ticket
end

--- Whether its deadline has passed, which no request would tell: input may come slowly.
---@param self nebula.Copy
---@return nebula.Error|nil
function M.too_late(self)
  return self.until_us and now_us() >= self.until_us and call.too_late(verbs.resource_of(self.on)) or nil
end

--- A source or a sink whose own waits end with the COPY's deadline; what is asked of the server has it anyway.
---@param self nebula.Copy
---@param fn fun(...): any
---@return fun(...): any
function M.within_time(self, fn)
  if not self.until_us then return fn end
  return function(...) return time.before(self.until_us, fn, ...) end
end

--- What went through, for whoever wants to know.
---@param self nebula.Copy
---@param is_last boolean|nil
function M.tell(self, is_last)
  local progress = self.given.progress
  if not progress then return end
  local now = now_us()
  if is_last or now - self.told_us >= TELL_US then
    self.told_us = now
    progress(self.rows, self.bytes)
  end
end

return M
