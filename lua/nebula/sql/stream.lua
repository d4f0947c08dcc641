--- stream: the rows of one statement, pulled a window at a time.
--
--   for row in orders:stream("select * from events") do ... end
--
-- Nothing is asked of the server before the first row is, and nothing more before a window is used up, so memory
-- holds one window however long the result is. On a resource the stream leases a connection of its own and gives
-- it back at the end, at an error, at close(), or when nobody knows the stream any more.

local c = require "nebula.c"
local call = require "nebula.call"
local errors = require "nebula.error"
local holding = require "nebula.sql.holding"
local options = require "nebula.options"
local reading = require "nebula.sql.reading"
local rows = require "nebula.sql.rows"
local verbs = require "nebula.sql.verbs"

local lib = c.lib

local WINDOW, WINDOW_MOST = 500, 2 ^ 31 - 1

local known = { window = "number" }
for name, kind in pairs(verbs.options) do known[name] = kind end
known.operation, known.policy, known.priority = nil, nil, nil -- it runs on a lease, which goes by no rules

---@class nebula.Stream: nebula.sql.Holder
---@field package state "new"|"begun"|"open"|"read"|"ended" read: the server has nothing more
---@field package is_closed boolean|nil by whoever uses it
local Stream = {}
Stream.__index = Stream

-- Nothing more comes over the connection: it is free for others, whoever still reads the last window.
local function leave(self, err)
  holding.leave(self)
  if self.watcher then self.watcher(nil, err) end
  self.watcher, self.values = nil, nil
end

local function finish(self, err)
  leave(self, err)
  self.state, self.failure, self.window = "ended", err, {}
  self.at, self.count = 0, 0
end

local function lease(self)
  local given, on, default = self.given, self.on, nil
  if type(on) ~= "cdata" then
    local is_writer = self.text.effect == "write" and on.role_index.writer
    default = is_writer and "writer" or self.text.effect == "read" and verbs.reading_role(on) or nil
  end
  return holding.take(self, {
    role = given.role or default, fail_fast = given.fail_fast, deadline = given.deadline, key = given.key,
  })
end

local function send(self)
  local sent = { window = self.size, deadline = self.given.deadline, dirty = self.given.dirty }
  if self.state == "open" then
    return call.run(self.lease, lib.NEBULA_PULL, sent, "", 0)
  end
  local ok, err = lease(self)
  if not ok then return nil, err end
  local ticket
  ticket, err = holding.begin(self, sent, unpack(self.values, 1, self.values.n))
  if ticket and self.state ~= "ended" then
    self.state = "open"
    holding.open(self)
  end
  return ticket, err
end

-- Rows may come before the statement is done for good. Until its end was read only the server's own word proves that
-- it was not.
local function doubt(self, err)
  if self.state == "open" and self.text.effect ~= "read" and err.state == "" then err.outcome = "in_doubt" end
end

-- While more is to come, nothing can be asked over its own connection.
local function read(self, ticket, columns, count, more)
  local on, err = more and verbs.resource_of(self.on) or self.on
  self.window, err, self.layout = reading.rows(on, ticket, self.text, columns, rows.all, count, self.layout)
  call.done(ticket)
  if self.window then
    self.at, self.count = 0, count
    return nil
  end
  return err
end

-- It came and cannot be read, which ends it, also on a lease that goes on.
local function spoil(self, watcher, err)
  local failure = reading.failure(self.text, err)
  self.watcher = nil
  self:stop()
  finish(self, failure)
  if watcher then watcher(nil, failure) end
  if type(err) == "string" then reading.raise(self.text, err) end
  return false, failure
end

-- The next window. False at the end, and then maybe with what went wrong.
local function pull(self)
  local ticket, err = send(self)
  if not ticket then
    doubt(self, err)
    err.statement = self.text.shown
    finish(self, err)
    return false, err
  elseif self.state == "ended" then -- with its transaction, meanwhile
    call.done(ticket)
    return false, self.failure
  end
  local watcher, count, more = self.watcher, call.reply.rows, call.reply.more
  local columns = call.reply.columns
  if not more then -- then the lease is free, also for a question about types
    self.state = "read"
    leave(self)
  end
  err = read(self, ticket, columns, count, more)
  if err then return spoil(self, watcher, err) end
  return count > 0 or more and pull(self)
end

-- The window is used up.
local function refill(self)
  if self.state == "read" then finish(self) end
  if self.state == "ended" then return false, self.failure end
  local _, err = pull(self)
  if err then return false, err end
  return self.count > 0 or refill(self)
end

--- The next row.
---@return table<string, any>|nil row nil at the end
---@return nebula.Error|nil err what ended it too soon
function Stream:next()
  errors.check_self(self, Stream, "stream", "next")
  holding.touch(self)
  if self.at == self.count then
    local ok, err = holding.alone(self, "next", refill)
    if not ok then return nil, err end
  end
  self.at = self.at + 1
  local row = self.window[self.at]
  self.window[self.at] = false
  return row
end

-- Ends it, whoever is in it.
---@package
function Stream:stop()
  local state, is_whole = self.state, self.state == "ended" or self.state == "read" and self.at == self.count
  local on, watcher, is_open = self.lease, self.watcher, holding.is_to_be_stopped(self)
  if state ~= "ended" then finish(self) end
  if not is_whole then self.failure = self.failure or holding.cut_short(self, state == "open") end
  local err = is_open and holding.stop(on) or nil
  if not err then return true end
  self.failure = err
  if watcher then watcher(nil, err) end
  return nil, err
end

--- Ends it early; the rest of the rows is not asked for, and who asks for it is told `stale`. Idempotent.
---@return true|nil
---@return nebula.Error|nil
function Stream:close()
  errors.check_self(self, Stream, "stream", "close")
  self.is_closed = true
  return holding.alone(self, "close", Stream.stop)
end

-- Ends it before it began.
---@package
function Stream:fail(err)
  finish(self, err)
end

-- As the iterator of a for: there is no place for an error there, so it is raised. Whoever closes it ends his loop.
function Stream.__call(self)
  if self.is_closed then return nil end
  local row, err = self:next()
  if err then error(err, 0) end
  return row
end

local M = {}

--- Makes a stream; its statement is sent when the first row is asked for.
---@param on nebula.Resource|nebula.Lease
---@param watcher (fun(open: nil, err: nebula.Error|nil))|nil told when it has ended
---@param first nebula.CallOptions|string options or the statement
---@param ... any
---@return nebula.Stream
function M.open(on, watcher, first, ...)
  if type(first) ~= "table" then return M.open(on, watcher, {}, first, ...) end
  local given = options.check("stream", first, known)
  local size = given.window or WINDOW
  if not (size >= 1 and size <= WINDOW_MOST) or size ~= math.floor(size) then
    errors.raise("stream: the window must be a whole number of rows from 1 to %d, not %g", WINDOW_MOST, size)
  end
  local text = verbs.understand(on, (...))
  if text.copies then
    errors.raise("stream: COPY has no rows but lines: use %s(), in: %s",
      text.copies.direction == "in" and "copy_in" or "copy_out", text.shown)
  elseif text.is_script or text.effect == "transaction" then
    errors.raise("stream: this is no statement with rows, in: %s", text.shown)
  end
  local self = setmetatable({
    on = on,
    given = given,
    size = size,
    text = text,
    values = { n = select("#", ...) - 1, select(2, ...) },
    state = "new",
    window = {},
    at = 0,
    count = 0,
  }, Stream)
  holding.made(self, watcher)
  return self
end

return M
