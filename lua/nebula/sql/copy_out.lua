--- copy_out: the output of a COPY ... TO STDOUT.
--
--   for chunk in orders:copy_out("copy bills to stdout (format csv, header)") do ... end
--
-- Nothing is asked of the server before the first chunk is, and nothing more before the next one is asked for. A chunk
-- holds whole lines, some 64 kB of them.

local c = require "nebula.c"
local call = require "nebula.call"
local lazy = require "nebula.lazy"
local copy = require "nebula.sql.copy"
local copy_rows = require "nebula.sql.copy_rows"
local errors = require "nebula.error"
local holding = require "nebula.sql.holding"
local outside = require "nebula.outside"
local tree = require "nebula.tree"
local verbs = require "nebula.sql.verbs"

local copy_binary = lazy "nebula.sql.copy_binary"
local lib = c.lib

local known = { rows = "boolean" }
for name, kind in pairs(copy.options) do known[name] = kind end

---@alias nebula.CopySink file*|fun(item: string|table): any

---@class nebula.CopyOutOptions
---@field deadline string|nil of all of it; default: the policy's, for each step
---@field role string|nil one of the kind's roles; not with a lease
---@field fail_fast boolean|nil do not queue for a connection
---@field rows boolean|nil rows instead of chunks: lists of strings in the server's words, in binary of values, and null
---@field columns string[]|nil names of the values: rows by name
---@field progress nil|fun(rows: integer, bytes: integer) told now and then, and at the end

---@class nebula.CopyOut: nebula.Copy
---@field package has_all boolean|nil the server has nothing more
---@field package is_closed boolean|nil by whoever uses it
---@field package has_rows boolean gives rows, not chunks
---@field package window table[] rows that came and were not given yet
---@field package at integer
---@field package rest string what is no whole row yet
local CopyOut = {}
CopyOut.__index = CopyOut

-- The next chunk; nil at the end, and then maybe with what went wrong.
local function pull(self)
  if self.state == "new" then
    local ok, err = copy.begin(self, self.has_rows)
    if not ok then return nil, err end
  end
  local ticket, err = copy.ask(self, lib.NEBULA_PULL, "")
  if not ticket then return nil, err end
  local more, chunk = call.reply.more, nil
  self.rows = tonumber(call.reply.changed)
  if call.reply.rows > 0 then
    chunk = call.lua(call.cell(ticket, 0, 0))
    self.bytes = self.bytes + #chunk
  end
  call.done(ticket)
  if not more then
    self.has_all = true
    copy.finish(self)
  end
  copy.tell(self, not more)
  return chunk
end

-- It came, and cannot be read.
local function spoil(self, complaint)
  local err = errors.new("protocol", "ask", "failed", complaint)
  err.resource, err.statement = verbs.resource_of(self.on).name, self.text.shown
  self.window = {}
  if self.state == "open" then return copy.fail(self, err) end
  if self.text.effect ~= "read" then err.outcome = "in_doubt" end
  self.failure = err
  return nil, err
end

local function decode_binary(self, chunk)
  self.reader = self.reader or copy_binary.reader(self.types, self.given.columns)
  local ok, rows = pcall(self.reader.rows, self.reader, chunk)
  if not ok then return spoil(self, ("row %d cannot be read: %s"):format(self.reader.row, rows)) end
  self.window = rows
  return true
end

-- Empties what came into rows.
local function decode(self, chunk)
  self.at = 0
  if self.types then return decode_binary(self, chunk) end
  self.window, self.rest = copy_rows.all(self.text.copies.format, self.rest .. chunk, self.given.columns)
  return true
end

-- Behind the last row.
local function ended(self)
  if self.types and self.has_all and not self.failure and not (self.reader and self.reader.is_done) then
    return spoil(self, "it ended in the middle of its rows")
  end
  return nil, self.failure
end

-- The rows that came are used up: true when there are more, or the next chunk.
local function refill(self)
  while self.at == #self.window do
    if self.state == "ended" then return ended(self) end
    local chunk, err = pull(self)
    if err then return nil, err end
    if not self.has_rows then return chunk end
    if chunk then
      local ok, complaint = decode(self, chunk)
      if not ok then return nil, complaint end
    end
  end
  return true
end

--- The next chunk, or row.
---@return string|table|nil item nil at the end
---@return nebula.Error|nil err what ended it too soon
function CopyOut:next()
  errors.check_self(self, CopyOut, "COPY", "next")
  holding.touch(self)
  if self.at == #self.window then
    local chunk, err = holding.alone(self, "next", refill)
    if chunk ~= true then return chunk, err end
  end
  self.at = self.at + 1
  return self.window[self.at]
end

-- Ends it, whoever is in it.
---@package
function CopyOut:stop()
  local state, is_whole = self.state, self.state == "ended" and self.at == #self.window
  if not is_whole then self.failure = self.failure or holding.cut_short(self, state == "open") end
  local err = state ~= "ended" and copy.give_up(self) or nil
  self.window, self.at = {}, 0
  return not err or nil, err
end

--- Ends it early; what was not asked for is thrown away, and who asks for it is told `stale`. Idempotent.
---@return true|nil
---@return nebula.Error|nil
function CopyOut:close()
  errors.check_self(self, CopyOut, "COPY", "close")
  self.is_closed = true
  return holding.alone(self, "close", CopyOut.stop)
end

-- As the iterator of a for: there is no place for an error there, so it is raised. Whoever closes it ends his loop.
function CopyOut.__call(self)
  if self.is_closed then return nil end
  local item, err = self:next()
  if err then error(err, 0) end
  return item
end

-- --- sinks ------------------------------------------------------------------------------------------

local function write_to(file)
  outside.touch "a file"
  return function(chunk)
    local ok, why = file:write(chunk)
    if ok then return true end
    return nil, errors.new("storage", "ask", "failed", ("the output cannot be written: %s"):format(why))
  end
end

local function consumer(self, sink, more)
  local kind = io.type(sink) or type(sink)
  if kind == "function" then return sink end
  if kind == "file" and self.has_rows then
    errors.raise "copy_out: a file takes chunks; rows are for a function"
  elseif kind == "file" then
    return write_to(sink)
  end
  errors.raise("copy_out: the sink is an open file or a function, not %s",
    kind == "nil" and more and ("nil (%s)"):format(tostring(more)) or kind)
end

local function drain(self, sink)
  local give = copy.within_time(self, sink)
  local item, err = self:next()
  while item do
    local ok, why = give(item)
    if ok == nil and why ~= nil then return nil, why end
    local late = self.state == "open" and copy.too_late(self)
    if late then return copy.fail(self, late) end
    item, err = self:next()
  end
  if err then return nil, err end
  return self.rows
end

local function settle(self, ok, ...)
  self:close()
  if not ok then tree.raise((...)) end
  return ...
end

local M = {}

--- A COPY that begins when the first chunk is asked for; with a sink it is given all of them.
---@param on nebula.Resource|nebula.Lease
---@param watcher nebula.sql.CopyWatcher|nil
---@param first nebula.CopyOutOptions|string options or the statement
---@param ... any
---@return integer|nebula.CopyOut|nil
---@return nebula.Error|nil
function M.run(on, watcher, first, ...)
  if type(first) ~= "table" then return M.run(on, watcher, {}, first, ...) end
  local sql, sink, more = ...
  local self = copy.new(CopyOut, on, "copy_out", "out", first, known, sql)
  self.window, self.at, self.rest = {}, 0, ""
  self.has_rows = first.rows or first.columns ~= nil
  if self.has_rows then copy.check_rows(self, "copy_out") end
  local give = select("#", ...) > 1 and consumer(self, sink, more)
  holding.made(self, watcher)
  if watcher then watcher(self) end
  if not give then return self end
  return settle(self, tree.try(drain, self, give))
end

return M
