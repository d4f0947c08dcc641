--- mail: what the workers of a program say to each other.
--
--   mail.on("carry.run", function(from, name, numbers) ... end)  -- in lua/nebula/carry.lua
--   mail.send(2, "carry.run", "total", { 1, 2, 3 })              -- true, or nil and why
--
-- A message has a kind, MODULE.WHAT, and values that string.buffer can write: nil, booleans, numbers, strings, and
-- tables of these. When one arrives whose kind nobody has asked for yet, `nebula.MODULE` is loaded, which has to ask
-- for it: so nothing is loaded before it is needed. Messages from one worker arrive in the order in which they were
-- sent.
--
-- A handler runs in the task that reads the mail and must not wait: what takes longer goes into mail.task(). What a
-- handler raises ends the worker.
--
-- A mailbox holds 10,000 messages and 16 MiB. Beyond that send() says `full`; `limit` when the message is larger than
-- a whole mailbox; `closed` when that worker has left; `memory`. What urge() sends has room where it is full: so it is
-- for the words of the program itself, a few for each worker, and for nothing that a workflow may do often. Whoever
-- waits for an answer asks with on_leave() to hear that none will come.

local buffer = require "string.buffer"
local c = require "nebula.c"
local failures = require "nebula.failure"
local tree = require "nebula.tree"
local wait = require "nebula.wait"
local worker = require "nebula.worker"

local lib, engine = c.lib, c.engine

local A_TURN = 100 -- messages; then others get their turn

local handlers = {} ---@type table<string, fun(from: integer, ...: any)>
local hooks = {}    ---@type (fun(worker: integer, why: string))[]
local has_left = {} ---@type table<integer, boolean>
local is_open

local mail = {}

-- reading ---------------------------------------------------------------------------------------------

local function handler_of(kind)
  if not handlers[kind] then
    require("nebula." .. kind:match "^[^.]+")
  end
  return handlers[kind] or error("nobody hears of " .. kind)
end

local function dispatch(from, bytes)
  local said = buffer.decode(bytes)
  handler_of(said.kind)(from, unpack(said, 1, said.n))
end

local function note_left(from)
  has_left[from] = true
  for _, hook in ipairs(hooks) do
    hook(from, worker.why(from))
  end
end

-- Whether that was all.
local function read_some()
  for _ = 1, A_TURN do
    local from, bytes = worker.receive()
    if not from then
      return true
    elseif bytes == true then
      has_left[from] = nil
    elseif bytes then
      dispatch(from, bytes)
    else
      note_left(from)
    end
  end
end

local function read()
  while true do
    while not read_some() do
      assert(wait.settle(lib.nebula_sleep(engine, 0)))
    end
    local ticket = lib.nebula_wait(engine)
    if worker.on_mail(ticket) then
      lib.nebula_wake(engine, ticket, 0)
    end
    assert(wait.settle(ticket))
  end
end

--- Begins to read. Idempotent. Raises where there is no room for its task.
function mail.open()
  if is_open then
    return
  end
  local reader = tree.open(nil, read)
  is_open = true
  reader.is_of_worker = true
  reader.scope = {
    ended = function(_, self)
      worker.fail(failures.text_of(self.failure))
    end,
  }
end

-- saying ----------------------------------------------------------------------------------------------

local function encode(kind, ...)
  return buffer.encode { kind = kind, n = select("#", ...), ... }
end

--- Sends a message; to oneself, too. Waits for nothing.
---@param to integer
---@param kind string MODULE.WHAT
---@param ... any
---@return true|nil
---@return string|nil why "full", "limit", "closed", "memory"
function mail.send(to, kind, ...)
  return worker.send(to, encode(kind, ...))
end

--- The same, with room where it is full: for what the program itself has to say.
---@param to integer
---@param kind string
---@param ... any
---@return true|nil
---@return string|nil why
function mail.urge(to, kind, ...)
  return worker.send(to, encode(kind, ...), true)
end

-- hearing ---------------------------------------------------------------------------------------------

--- From now on fn hears of messages of this kind. Where there is no room to read yet, whoever asks for something by
--- mail opens it.
---@param kind string MODULE.WHAT
---@param fn fun(from: integer, ...: any)
function mail.on(kind, fn)
  handlers[kind] = fn
  pcall(mail.open) -- a module whose loading failed could never be loaded again
end

--- From now on fn hears when another worker has left, behind all that it had sent: its engine is closed, and all that
--- it did is over. why is "" when it was told to leave.
---@param fn fun(worker: integer, why: string)
function mail.on_leave(fn)
  hooks[#hooks + 1] = fn
  pcall(mail.open)
end

--- Whether a worker is there, as far as this one has heard.
---@param index integer
---@return boolean
function mail.is_there(index)
  return index >= 0 and index < worker.count and not has_left[index]
end

--- The workers that are there, this one included.
---@return integer[]
function mail.workers()
  local list = {}
  for index = 0, worker.count - 1 do
    list[#list + 1] = mail.is_there(index) and index or nil
  end
  return list
end

--- Here a worker that had left was begun anew. The others hear of it as of its leaving.
---@param index integer
function mail.back(index)
  has_left[index] = nil
end

-- working ---------------------------------------------------------------------------------------------

--- Starts a task for what another worker asked for. It ends with the work of this worker: in worker 0 the workflow.
---@param place string|nil where it was asked for: that is where it, and what it starts itself, was started
---@param fn fun(...): any
---@param ended fun(task: nebula.Task) told when it has ended: with task.failure, or task.results and task.count
---@param ... any given to fn
---@return nebula.Task|nil
---@return any why "closed": the work of this worker is over; or an error: there are too many tasks in it
function mail.task_at(place, fn, ended, ...)
  local work = tree.work
  if not work or work.is_ending or work.is_ended then
    return nil, "closed"
  end
  local has_begun, task = pcall(tree.open_at, work, place, fn, ...)
  if not has_begun then return nil, task end
  task.at = place
  task.scope = {
    ended = function(_, self)
      ended(self)
    end,
  }
  return task
end

--- The same, started at the line of the workflow that runs, if there is one.
function mail.task(fn, ended, ...)
  return mail.task_at(failures.here(), fn, ended, ...)
end

return mail
