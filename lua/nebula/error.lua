--- error: the world's failures as values, and the programmer's mistakes as raised sentences.
--
-- What can go wrong out there is returned: `nil, err`. What is wrong in the program is raised, and blamed
-- on the first line that is not ours.

local c = require "nebula.c"
local plain = require "nebula.plain"
local worker = require "nebula.worker"

local lib, engine = c.lib, c.engine

---@class nebula.Error
---@field code string what went wrong: "deadline", "lost", "constraint" ...
---@field action "retry"|"wait"|"rotate"|"fix"|"stop"|"ask" what may be done about it
---@field outcome "failed"|"in_doubt" what the call asked for was certainly not done, or may have been
---@field resource string|nil its name
---@field text string one sentence, without secrets
---@field state string the server's own code (SQLSTATE ...), "" if none
---@field retry_after number|nil seconds, when the server asked for a pause
---@field attempts integer|nil how often it was sent to a server, when it was
---@field statement string|nil what was asked of a database, without its literals
---@field line integer|nil of the input of a COPY, from 1
---@field column string|nil of that line
---@field part integer|nil of a batch: which of its statements failed, from 1
---@field results any[]|nil of a batch that was done: what it brought, where one result of it cannot be read
local Error = {}
Error.__index = Error

-- By whether a resource was asked, or tasks were waited for.
local doubts = { [true] = "; the server may have done it", [false] = "; what was done may stand" }

function Error:__tostring()
  local text = plain((self.text:gsub("%.$", "")))
  if self.resource and text:sub(1, #self.resource + 1) ~= self.resource .. ":" then
    text = self.resource .. ": " .. text
  end
  local state = self.state ~= "" and " " .. self.state or ""
  local doubt = self.outcome == "in_doubt" and doubts[self.resource ~= nil] or ""
  local statement = self.statement and ", in: " .. plain(self.statement, true) or ""
  return ("%s (%s%s%s)%s"):format(text, self.code, state, doubt, statement)
end

local errors = {}

local outcomes = { [0] = "failed", "failed", "in_doubt" }

local function make(resource, code, text)
  return setmetatable({
    code = c.string(lib.nebula_error_name(code)),
    action = c.string(lib.nebula_error_action(code)),
    outcome = "failed",
    resource = resource,
    text = text,
    state = "",
  }, Error)
end

--- From what a ticket ended with.
---@param resource string|nil its name
---@param reply ffi.cdata* struct nebula_reply, code not 0
---@return nebula.Error
function errors.from_reply(resource, reply)
  local e = make(resource, reply.code, c.string(reply.text))
  e.outcome = outcomes[reply.outcome]
  e.state = c.string(reply.state)
  if reply.retry_after_us > 0 then
    e.retry_after = tonumber(reply.retry_after_us) / 1e6
  end
  if reply.attempts > 0 then
    e.attempts = reply.attempts
  end
  if reply.line > 0 then
    e.line = tonumber(reply.line)
    e.column = reply.column[0] ~= 0 and c.string(reply.column) or nil
  end
  return e
end

local refused = function() end

--- From now on fn is called for each refusal that took no wait, when its sentence is in its error.
---@param fn fun()
function errors.on_refusal(fn)
  refused = fn
end

--- From a negative result that was just returned: nothing was begun, and the engine has the sentence. Others may have
--- their turn meanwhile.
---@param resource string|nil its name
---@param code integer negative or positive
---@return nebula.Error
function errors.from_code(resource, code)
  local err = make(resource, math.abs(tonumber(code)), c.string(lib.nebula_error(engine)))
  refused()
  return err
end

--- Of a call whose deadline has passed before it was asked for. Others may have their turn meanwhile.
---@param resource string its name
---@return nebula.Error
function errors.too_late(resource)
  local err = errors.new("deadline", "retry", "failed", "the deadline has passed already")
  err.resource = resource
  refused()
  return err
end

--- A failure that Lua alone knows of.
---@param code string a name of the error table
---@param action string
---@param outcome "failed"|"in_doubt"
---@param text string
---@return nebula.Error
function errors.new(code, action, outcome, text)
  return setmetatable({ code = code, action = action, outcome = outcome, text = text, state = "" }, Error)
end

--- Whether x is one of the world's failures.
---@param x any
---@return boolean
function errors.is(x)
  return getmetatable(x) == Error
end

local ours = {
  "=lua/nebula/", -- in the program: lua/bundle.lua
  "@" .. worker.home .. "/lua/nebula/",
  "@" .. worker.home .. "/resources/",
}

--- Whether a chunk belongs to the engine and is of no interest to who wrote the workflow.
---@param source string as debug.getinfo gives it
---@return boolean
function errors.is_ours(source)
  for _, prefix in ipairs(ours) do
    if source:sub(1, #prefix) == prefix then
      return true
    end
  end
  return false
end

--- Raises a mistake of the programmer, blamed on the nearest line that is not ours.
---@param format string
---@param ... any
function errors.raise(format, ...)
  local level = 2
  local at = debug.getinfo(level, "S")
  while at and (at.what == "C" or errors.is_ours(at.source)) do
    level = level + 1
    at = debug.getinfo(level, "S")
  end
  error(format:format(...), level)
end

--- Raises unless a method is called on what it belongs to.
---@param self any
---@param class table the metatable of that
---@param what string "stream"
---@param name string of the method
function errors.check_self(self, class, what, name)
  if getmetatable(self) ~= class then
    errors.raise("%s: this is no %s; call it with a colon", name, what)
  end
end

return errors
