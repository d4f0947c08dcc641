--- context: what a task hands down to all that it starts and asks for, besides its deadline.

local c = require "nebula.c"
local errors = require "nebula.error"
local tree = require "nebula.tree"
local wait = require "nebula.wait"

local lib, engine = c.lib, c.engine

local context = {}

local function put_back(set, before, ok, ...)
  set(engine, before)
  if not ok then
    tree.raise((...))
  end
  return ...
end

local function within(name, set, get, what, fn, ...)
  if not wait.current() then
    errors.raise("%s works only inside a task", name)
  elseif type(what) == "string" and what:find "%z" then
    errors.raise("%s: the string has a zero byte", name)
  elseif type(what) ~= "string" or type(fn) ~= "function" then
    errors.raise("%s takes a string and a function, not %s and %s", name, type(what), type(fn))
  end
  local before = c.string(get(engine))
  local code = set(engine, what)
  if code < 0 then
    errors.raise("%s: %s", name, errors.from_code(nil, code).text)
  end
  return put_back(set, before, tree.try(fn, ...))
end

--- Runs fn in a trace, and so the tasks it starts: resources that pass traces on tell their servers.
---@param traceparent string as W3C Trace Context has it: "00-<32 hex digits>-<16>-<2>"; "" for none
---@param fn fun(...): any
---@param ... any given to fn
---@return any ... what fn returned
function context.trace(traceparent, fn, ...)
  return within("trace()", lib.nebula_task_trace, lib.nebula_task_traceparent, traceparent, fn, ...)
end

--- Runs fn for a tenant, and so the tasks it starts: a resource whose declaration names {tenant} is another one for
--- each.
---@param name string 1 to 63 bytes; "" for nobody
---@param fn fun(...): any
---@param ... any given to fn
---@return any ... what fn returned
function context.tenant(name, fn, ...)
  return within("tenant()", lib.nebula_task_tenant, lib.nebula_task_tenant_name, name, fn, ...)
end

return context
