--- progress: how far long work has come: one line that is drawn over on a terminal, a line of the log now and
-- then anywhere else.
--
--   local bar = progress("import", 100000)
--   for batch in ... do bar:add(#batch) end
--   bar:finish()

local c = require "nebula.c"
local errors = require "nebula.error"
local log = require "nebula.log"
local worker = require "nebula.worker"

local lib, engine = c.lib, c.engine

local REDRAW_US = 100000
local RELOG_US = 5000000

local is_terminal = worker.is_terminal(2) and os.getenv "TERM" ~= "dumb"

---@class nebula.Progress
---@field text string
---@field total integer|nil
---@field done integer
local Progress = {}
Progress.__index = Progress

local function now_us()
  return tonumber(lib.nebula_now_us(engine))
end

local function sentence(self)
  local seconds = math.max(now_us() - self.begun_us, 1) / 1e6
  local rate = self.done / seconds
  if self.total then
    return ("%s: %d of %d (%d %%), %.0f/s"):format(self.text, self.done, self.total,
      self.total > 0 and 100 * self.done / self.total or 100, rate)
  end
  return ("%s: %d, %.0f/s"):format(self.text, self.done, rate)
end

local function show(self)
  self.shown_us = now_us()
  if is_terminal then
    io.stderr:write("\r\27[K", sentence(self))
    io.stderr:flush()
  else
    log.info("%s", sentence(self))
  end
end

--- More of it is done.
---@param count integer|nil default 1
function Progress:add(count)
  self.done = self.done + (count or 1)
  if now_us() - self.shown_us >= (is_terminal and REDRAW_US or RELOG_US) then
    show(self)
  end
end

--- It is over; its line stays.
function Progress:finish()
  if self.is_finished then
    return
  end
  self.is_finished = true
  show(self)
  if is_terminal then
    io.stderr:write("\n")
  end
end

---@param text string what is being done
---@param total integer|nil how much there is to do, if that is known
---@return nebula.Progress
return function(text, total)
  if type(text) ~= "string" then
    errors.raise("progress(text, total): text must be a string, not %s", type(text))
  end
  local now = now_us()
  return setmetatable({ text = text, total = total, done = 0, begun_us = now, shown_us = now }, Progress)
end
