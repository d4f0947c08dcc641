--- spawn: a function in every worker.
--
--   local there = spawn_on_all(function(name) return use(name):value "select 1" end, "orders")
--   local results, err = there:join()

local carry = require "nebula.carry"
local errors = require "nebula.error"
local failures = require "nebula.failure"
local mail = require "nebula.mail"
local parts = require "nebula.parts"
local tasks = require "nebula.task"

local function join_all(workers, bytes, place)
  local results, err = parts.begin(workers, bytes, place):wait()
  if not results then return nil, err end
  local list = { n = #workers }
  for i, index in ipairs(workers) do list[i] = results[index][1] end
  return list
end

--- Runs fn in every worker, this one too, as tasks that end with the one that asks. fn, what it uses and what it is
--- given are copied (carry.lua).
---@param fn fun(...): any
---@param ... any given to fn
---@return nebula.Task # whose join() gives what fn returned in each worker, in their order, with n; or what a first
--- `nil, err` had, and raises what a first one raised, after the others were cancelled
return function(fn, ...)
  if type(fn) ~= "function" then
    errors.raise("spawn_on_all(fn, ...): fn must be a function, not %s", type(fn))
  end
  local names = { "fn" }
  for i = 1, select("#", ...) do names[i + 1] = "argument " .. i end
  local bytes, why = carry.pack({ fn, ... }, names, #names, parts.MOST)
  if not bytes then errors.raise("spawn_on_all: %s", why) end
  return tasks.task(join_all, mail.workers(), bytes, failures.here() or failures.place_of_function(fn))
end
