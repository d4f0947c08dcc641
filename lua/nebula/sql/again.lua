--- again: a transaction that lost against another one is run again, all of it.
--
-- That is right when nothing is left of it: its server said that it was undone (PostgreSQL's 40001 and 40P01, also as
-- the answer to the commit), and its function touched nothing but the transaction. The first is certain. The second
-- is what the caller promises, and as far as the engine sees, it looks (outside.lua). How often, and after which pause,
-- is the policy's: out of the same budget as all retries of the resource.

local c = require "nebula.c"
local errors = require "nebula.error"
local failures = require "nebula.failure"
local tree = require "nebula.tree"
local verbs = require "nebula.sql.verbs"
local wait = require "nebula.wait"

local lib, engine = c.lib, c.engine

---@class nebula.sql.Attempt
---@field lost nebula.Error|nil what says that it lost, and nothing of it is left
---@field touched string|nil what its function touched beside the transaction

-- A standby that has to replay ends the session of a transaction that is in its way, and says it with a conflict's
-- code.
local conflicts = { ["40001"] = true, ["40P01"] = true }

local function is_conflict(err)
  if not errors.is(err) or err.outcome ~= "failed" then return false end
  return err.code == "conflict" or err.code == "lost" and conflicts[err.state] or false
end

-- Waits until it may be run again. Why not, when it may not.
local function refusal(attempt, resource, count)
  if attempt.touched then
    return ("its function also used %s, outside of its tx"):format(attempt.touched)
  end
  local pause_us = lib.nebula_retry(engine, resource.id, count)
  if pause_us < 0 then return c.string(lib.nebula_error(engine)) end
  local ok, err = wait.settle(lib.nebula_sleep(engine, pause_us))
  return not ok and err.code .. " while it paused" or nil
end

local function hand_on(ok, ...)
  if not ok then tree.raise((...)) end
  return ...
end

local run

local function next_attempt(on, count, fn, attempt, ...)
  if not attempt.lost then return hand_on(...) end
  local why = refusal(attempt, verbs.resource_of(on), count)
  if not why then return run(on, count + 1, fn) end
  attempt.lost.text = ("%s; not run again: %s"):format(attempt.lost.text, why)
  return hand_on(...)
end

function run(on, count, fn)
  local attempt = {}
  return next_attempt(on, count, fn, attempt, tree.try(fn, attempt))
end

local M = {}

--- Runs fn until it has not lost, or may not be run again.
---@param on nebula.Resource|nebula.Lease
---@param fn fun(attempt: nebula.sql.Attempt): any an attempt, which it writes down
---@return any ... what the last one returned
function M.run(on, fn)
  return run(on, 1, fn)
end

--- Writes down whether the function's end says that the transaction lost.
---@param attempt nebula.sql.Attempt
---@param poison nebula.Error|nil the first failure in the transaction
---@param ok boolean whether the function returned
---@param first any what it returned, or what it raised
---@param second any
function M.note(attempt, poison, ok, first, second)
  local said = not ok and failures.of(first).value or ok and first == nil and second or nil
  attempt.lost = is_conflict(poison) and poison or is_conflict(said) and said or nil
end

return M
