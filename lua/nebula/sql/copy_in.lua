--- copy_in: the input of a COPY ... FROM STDIN.
--
--   orders:copy_in("copy bills (id, cents) from stdin", function() ... return { 7, 990 } end)
--
-- What is pushed is a string, which are bytes as they are, or a table, which is a row. It is gathered, and goes to the
-- server in chunks; each waits until the last has left. Nothing is done before finish(), and whatever else ends it
-- undoes all of it: close(), an error, the end of the task.

local c = require "nebula.c"
local call = require "nebula.call"
local channels = require "nebula.channel"
local copy = require "nebula.sql.copy"
local copy_rows = require "nebula.sql.copy_rows"
local lazy = require "nebula.lazy"
local errors = require "nebula.error"
local holding = require "nebula.sql.holding"
local outside = require "nebula.outside"
local tree = require "nebula.tree"
local verbs = require "nebula.sql.verbs"

local copy_binary = lazy "nebula.sql.copy_binary"
local lib = c.lib

local CHUNK = 65536

local known = { rows = "boolean" }
for name, kind in pairs(copy.options) do known[name] = kind end

---@alias nebula.CopySource string|table|file*|fun(): string|table|nil, any

---@class nebula.CopyInOptions
---@field deadline string|nil of all of it; default: the policy's, for each step
---@field role string|nil one of the kind's roles; not with a lease
---@field fail_fast boolean|nil do not queue for a connection
---@field rows boolean|nil rows will come: in binary that must be said, for their types are asked for first
---@field columns string[]|nil the order of the values, for rows whose values have names
---@field progress nil|fun(rows: integer, bytes: integer) told now and then, and at the end. rows: lines so far, of
--- binary chunks 0

---@class nebula.CopyIn: nebula.Copy
---@field package pieces string[] what was pushed and has not left
---@field package size integer bytes of them
---@field package pushed integer binary rows so far
---@field package has_rows boolean that it is given rows was said
---@field package is_finishing boolean|nil
local CopyIn = {}
CopyIn.__index = CopyIn

local function send(self, bytes)
  local ticket, err = copy.ask(self, lib.NEBULA_PUSH, bytes)
  if not ticket then return nil, err end
  self.rows = self.types and self.pushed or math.max(tonumber(call.reply.changed), 0)
  self.bytes = self.bytes + #bytes
  call.done(ticket)
  copy.tell(self)
  return true
end

-- A piece that is no whole chunk waits for more, unless it is the last.
local function flush(self, is_last)
  local text, at = table.concat(self.pieces), 1
  while #text - at + 1 >= CHUNK or is_last and at <= #text do
    local is_small = at == 1 and #text < 2 * CHUNK
    local ok, err = send(self, is_small and text or text:sub(at, at + CHUNK - 1))
    if not ok then return nil, err end
    at = is_small and #text + 1 or at + CHUNK
  end
  self.pieces, self.size = { text:sub(at) }, math.max(#text - at + 1, 0)
  return true
end

local function check(self, what)
  if self.state == "ended" and not self.failure then
    errors.raise("%s: the COPY has ended already, in: %s", what, self.text.shown)
  end
  return not self.failure
end

-- What a row is between the bytes; nil, err when it does not fit.
local function line(self, row)
  copy.check_rows(self, "push")
  if not copy.is_binary(self) then return copy_rows.line(self.text.copies.format, row, self.given.columns) end
  if not self.types then
    errors.raise("push: binary rows are announced, with the option rows or columns, in: %s", self.text.shown)
  end
  self.pushed = self.pushed + 1
  local bytes, complaint, column = copy_binary.line(self.types, row, self.given.columns)
  if bytes then return bytes end
  local err = errors.new("query", "fix", "failed", ("%s, line %d of the input%s"):format(complaint, self.pushed,
    column and ", column " .. column or ""))
  err.line, err.column, err.resource = self.pushed, column, verbs.resource_of(self.on).name
  return nil, err
end

--- Gives it more.
---@param item string|table bytes as they are, in whatever pieces; or one row
---@return true|nil
---@return nebula.Error|nil err it has ended, and nothing of it is done; with `line` and `column` where the server found
--- what went before to be wrong
function CopyIn:push(item)
  errors.check_self(self, CopyIn, "COPY", "push")
  holding.touch(self)
  holding.check_alone(self, "push")
  if not check(self, "push") then return nil, self.failure end
  local err = copy.too_late(self)
  if err then return holding.alone(self, "push", copy.fail, err) end
  if type(item) == "table" then
    item, err = line(self, item)
    if err then return holding.alone(self, "push", copy.fail, err) end
  elseif self.types then
    errors.raise("push: rows were announced, and a %s is none, in: %s", type(item), self.text.shown)
  elseif type(item) ~= "string" then
    errors.raise("push: bytes are a string, a row is a table; a %s is neither", type(item))
  end
  self.pieces[#self.pieces + 1], self.size = item, self.size + #item
  if self.size < CHUNK then return true end
  return holding.alone(self, "push", flush)
end

local function finish(self)
  if not check(self, "finish") then return nil, self.failure end
  if self.types then self.pieces[#self.pieces + 1] = copy_binary.trailer end
  local ok, err = flush(self, true)
  if not ok then return nil, err end
  copy.tell(self, true) -- whoever raises there gives it up, so not when it is done
  self.is_finishing = true
  local ticket
  ticket, err = copy.ask(self, lib.NEBULA_FINISH, "")
  if not ticket then return nil, err end
  self.rows = tonumber(call.reply.changed)
  call.done(ticket)
  copy.finish(self)
  return self.rows
end

--- That was all: it is done, or fails.
---@return integer|nil rows that were added
---@return nebula.Error|nil err with `line` and `column` where the input was wrong
function CopyIn:finish()
  errors.check_self(self, CopyIn, "COPY", "finish")
  return holding.alone(self, "finish", finish)
end

local function give_up(self, code, action, why)
  local text = "the COPY was given up, and nothing of it is done" .. why
  return copy.give_up(self, errors.new(code, action, "failed", text))
end

-- Ends it, whoever is in it.
---@package
function CopyIn:stop()
  if self.state == "ended" then return true end
  local err = give_up(self, "cancelled", "stop", "")
  return not err or nil, err
end

--- Gives it up, if it was not finished: nothing of it is done. Idempotent.
---@return true|nil
---@return nebula.Error|nil
function CopyIn:close()
  errors.check_self(self, CopyIn, "COPY", "close")
  return holding.alone(self, "close", CopyIn.stop)
end

-- --- sources ----------------------------------------------------------------------------------------

-- An error of a file comes as a text.
local function next_block(file)
  outside.touch "a file"
  return function()
    local block, why = file:read(CHUNK)
    if why then
      return nil, errors.new("storage", "ask", "failed", ("the input cannot be read: %s"):format(why))
    end
    return block
  end
end

local function next_item(list)
  local at = 0
  return function()
    at = at + 1
    return list[at]
  end
end

-- Another stream is asked by its own next(), which returns what went wrong.
local function next_of(source)
  return function() return source:next() end
end

-- A channel that was closed has no more.
local function next_received(channel)
  return function()
    local item, err = channel:receive()
    if err and err.code == "closed" then return nil end
    return item, err
  end
end

local function next_in(source)
  if type(source.next) == "function" then return next_of(source) end
  if getmetatable(source) == channels.Channel then return next_received(source) end
  if source[1] == nil and next(source) ~= nil then
    errors.raise "copy_in: the source is a table that is neither a list nor has next(); one row is a list of one"
  end
  return next_item(source)
end

local function iterator(source, more)
  local kind = io.type(source) or type(source)
  if kind == "function" then return source end
  if kind == "file" then return next_block(source) end
  if kind == "string" then return next_item { source } end
  if kind == "table" then return next_in(source) end
  errors.raise("copy_in: the source is a string, a list, a stream, a channel, an open file or a function, not %s",
    kind == "nil" and more and ("nil (%s)"):format(tostring(more)) or kind)
end

-- Whoever asks for something else in its transaction from here on is refused, so that nothing lies in its way.
local function begin(self)
  if self.watcher then self.watcher(self) end
  local ok, err = copy.begin(self, self.has_rows)
  if not ok then return nil, err end
  if self.types then self.pieces[1], self.size = copy_binary.head, #copy_binary.head end
  return self
end

local function feed(self, source)
  local begun, err = begin(self)
  if not begun then return nil, err end
  local next_one = copy.within_time(self, source)
  local item, why = next_one()
  while item ~= nil do
    local ok, complaint = self:push(item)
    if not ok then return nil, complaint end
    item, why = next_one()
  end
  if why == nil then return self:finish() end
  local is_error = errors.is(why)
  give_up(self, is_error and why.code or "cancelled", is_error and why.action or "stop", ": " .. tostring(why))
  return nil, why
end

local function settle(self, is_for_caller, ok, ...)
  if not (ok and is_for_caller) then self:close() end
  if not ok then tree.raise((...)) end
  return ...
end

local M = {}

local function new(on, watcher, given, sql)
  local self = copy.new(CopyIn, on, "copy_in", "in", given, known, sql)
  self.pieces, self.size, self.pushed = {}, 0, 0
  self.has_rows = given.rows or given.columns ~= nil
  if self.has_rows then copy.check_rows(self, "copy_in") end
  holding.made(self, watcher)
  return self
end

--- Begins a COPY; with a source it is given all of that and finished.
---@param on nebula.Resource|nebula.Lease
---@param watcher nebula.sql.CopyWatcher|nil
---@param first nebula.CopyInOptions|string options or the statement
---@param ... any
---@return integer|nebula.CopyIn|nil
---@return nebula.Error|nil
function M.run(on, watcher, first, ...)
  if type(first) ~= "table" then return M.run(on, watcher, {}, first, ...) end
  local sql, source, more = ...
  local next_one = select("#", ...) > 1 and iterator(source, more)
  local self = new(on, watcher, first, sql)
  return settle(self, not next_one, tree.try(next_one and feed or begin, self, next_one))
end

return M
