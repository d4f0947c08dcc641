--- thrift: all functions of policies that are asked of a worker's own accord take at most a fifth of its time.
--
-- When many calls fail at once, and a function takes nearly all that it may, the rest of them are decided as usual
-- until the second is over.

local asking = require "nebula.asking"
local c = require "nebula.c"
local log = require "nebula.log"

local lib, engine = c.lib, c.engine

local SECOND_US = 1000000
local SHARE_US = 200000       -- of each second
local SAY_US = 10 * SECOND_US -- between two lines that it was not enough

local second_us, spent_us, said_us = -SECOND_US, 0, -SAY_US

local function now()
  return tonumber(lib.nebula_now_us(engine))
end

local thrift = {}

--- Whether there is time for another question; that there is none is said in the log.
---@return boolean
function thrift.has_time()
  local now_us = now()
  if now_us - second_us >= SECOND_US then
    second_us, spent_us = now_us, 0
  end
  if spent_us < SHARE_US then
    return true
  end
  if now_us - said_us >= SAY_US then
    said_us = now_us
    log.warn("functions of policies take a fifth of the worker's time: until the second is over all is as usual")
  end
  return false
end

--- asking.ask(), whose time counts.
---@param asked nebula.Asked
---@param answer nebula.Row
---@param fields table<string, string|number|boolean>
---@return boolean|number|string|table|nil answer
---@return nebula.Breach|nil
function thrift.ask(asked, answer, fields)
  local begun_us = now()
  local given, breach = asking.ask(asked, answer, fields)
  spent_us = spent_us + now() - begun_us
  return given, breach
end

return thrift
