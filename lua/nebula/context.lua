--- context: what a task hands down to all that it starts and asks for, besides its deadline.

local c = require "nebula.c"
local errors = require "nebula.error"
local tree = require "nebula.tree"
local wait = require "nebula.wait"

local lib, engine = c.lib, c.engine

local context = {}

local function put_back(before, ok, ...)
  lib.nebula_task_trace(engine, before)
  if not ok then
    tree.raise((...))
  end
  return ...
end

--- Runs fn in a trace, and so the tasks it starts: resources that pass traces on tell their servers.
---@param traceparent string as W3C Trace Context has it: "00-<32 hex digits>-<16>-<2>"
---@param fn fun(...): any
---@param ... any given to fn
---@return any ... what fn returned
function context.trace(traceparent, fn, ...)
  if not wait.current() then
    errors.raise("trace() works only inside a task")
  elseif type(traceparent) ~= "string" or type(fn) ~= "function" then
    errors.raise("trace(traceparent, fn, ...): they must be a string and a function, not %s and %s", type(traceparent),
      type(fn))
  end
  local before = c.string(lib.nebula_task_traceparent(engine))
  local code = lib.nebula_task_trace(engine, traceparent)
  if code < 0 then
    errors.raise("trace(): %s", errors.from_code(nil, code).text)
  end
  return put_back(before, tree.try(fn, ...))
end

return context
