--- spread: the items of a list, dealt out to tasks in all workers.
--
-- Two channels of the process: one with the items, from which whoever is free takes the next, and one on which the
-- results come back. Short items go several at a time, so that the way does not cost more than the work. What is dealt
-- out and what comes back are copies, with one worker as with many: the same program does the same.

local carry = require "nebula.carry"
local codec = require "nebula.codec"
local errors = require "nebula.error"
local failures = require "nebula.failure"
local mail = require "nebula.mail"
local parts = require "nebula.parts"
local shared = require "nebula.shared"
local tasks = require "nebula.task"
local tree = require "nebula.tree"

local BYTES = 8000000 -- of each channel
local AROUND = 100    -- of these for what is around a value in a deal
local MOST = BYTES - AROUND
local DEALS = 16      -- at least so many for each task, if there are as many items
local ITEMS_MOST = 64 -- in a deal

local spread = {}

local function channels_of(name)
  return shared.new(name .. " items", BYTES), shared.new(name .. " results", BYTES)
end

-- --- in each worker ---------------------------------------------------------------------------------

-- From its `from`th to its `to`th.
local function part_of(some, from, to)
  local part = { first = some.first + from - 1, n = to - from + 1 }
  for i = 1, part.n do part[i] = some[from + i - 1] end
  return part
end

-- Sends some of a list, in halves where all of them are too much. What cannot go is named by its place in the list, and
-- by the line that is to blame.
local function send(channel, what, some, place)
  local ok, sent, err = pcall(channel.send, channel, some)
  local is_too_much = ok and err and err.code == "limit"
  if ok and not is_too_much then return sent, err end
  if is_too_much and some.n > 1 then
    local half = math.floor(some.n / 2)
    sent, err = send(channel, what, part_of(some, 1, half), place)
    if not sent then return nil, err end
    return send(channel, what, part_of(some, half + 1, some.n), place)
  end
  for i = 1, some.n do
    local bytes, why, is_too_large = codec.encode(some[i], ("%s %d"):format(what, some.first + i - 1), MOST)
    if is_too_large then return nil, errors.new("limit", "fix", "failed", "for_each: " .. why) end
    if not bytes then error(("%s: for_each: %s"):format(place, why), 0) end
  end
  error(sent or err, 0)
end

local function work(items, results, fn)
  for deal in items do
    local done = { first = deal.first, n = deal.n }
    for i = 1, deal.n do
      local value, err = fn(deal[i], deal.first + i - 1)
      if value == nil and err ~= nil then return nil, err end
      done[i] = value
    end
    local sent, err = send(results, "result", done, failures.place_of_function(fn))
    if not sent then return nil, err end
  end
  return true
end

--- What a worker does of it (parts.lua).
---@param given { name: string, tasks: integer }
---@param fn fun(item: any, index: integer): any
---@return true|nil
---@return any err
function spread.part(given, fn)
  local items, results = channels_of(given.name)
  tasks.defer(function() -- not by the collector: there may be many of them before it comes
    shared.forget(items)
    shared.forget(results)
  end)
  local list = {}
  for i = 1, given.tasks do list[i] = i end
  local ok, err = require "nebula.for_each"(list, { parallel = given.tasks }, function()
    return work(items, results, fn)
  end)
  return ok and true or nil, err
end

-- --- where the list is ------------------------------------------------------------------------------

local function deal(items, list, count, size, place)
  for first = 1, count, size do
    local n = math.min(size, count - first + 1)
    local sent, err = send(items, "item", { first = first, n = n, unpack(list, first, first + n - 1) }, place)
    if not sent then return nil, err end
  end
  items:close()
  return true
end

local function collect(results, count)
  local list, left = {}, count
  while left > 0 do
    local done, err = results:receive()
    if not done then return nil, err end
    for i = 1, done.n do list[done.first + i - 1] = done[i] end
    left = left - done.n
  end
  return list
end

-- What fails here ends the parts.
local function guarded(all, fn, ...)
  local ok, result, err = tree.try(fn, ...)
  if not ok then
    all:stop(nil, result)
  elseif not result then
    all:stop(err)
  end
  return result
end

-- So many tasks in all, and nowhere two more than elsewhere.
local function begin(workers, parallel, name, bytes, asked_at)
  local used, place = {}, 0
  for i = 1, math.min(#workers, parallel) do used[i] = workers[i] end
  return parts.begin(used, bytes, asked_at, function()
    place = place + 1
    return { module = "nebula.spread", name = name, tasks = math.floor((parallel + #used - place) / #used) }
  end)
end

local function over_all(workers, list, count, parallel, bytes, place)
  local name = "\1for_each " .. parts.unique()
  local items, results = channels_of(name)
  local all = begin(workers, parallel, name, bytes, place)
  local size = math.max(1, math.min(ITEMS_MOST, math.floor(count / (parallel * DEALS))))
  local here, got, why = {}, nil, nil -- tasks
  local has_begun, refused = tree.try(function()
    here[1] = tasks.task(guarded, all, deal, items, list, count, size, place)
    here[2] = tasks.task(guarded, all, collect, results, count)
  end)
  if not has_begun then all:stop(nil, refused) end
  local ok, failure, err = tree.try(all.wait, all)
  for _, one in ipairs(here) do
    if not ok or not failure then one:cancel() end
    got, why = one:join()
  end
  shared.discard(items)
  shared.discard(results)
  if not ok then tree.raise(failure) end
  if not failure then return nil, err end
  return got, why
end

-- --- with one worker --------------------------------------------------------------------------------

local SHORT = 1000 -- bytes of a string that goes for sure

local function copy(value, what, index, place)
  local kind = type(value)
  if kind == "number" or kind == "boolean" or kind == "nil" or kind == "string" and #value < SHORT then return value end
  local bytes, why, is_too_large = codec.encode(value, what, MOST)
  if bytes then return codec.decode(bytes) end
  why = ("for_each: %s %d%s"):format(what, index, why:sub(#what + 1))
  if not is_too_large then error(place .. ": " .. why, 0) end
  return nil, errors.new("limit", "fix", "failed", why)
end

local function alone(list, parallel, bytes, place)
  local fn = carry.unpack(bytes)
  local fn_place = failures.place_of_function(fn)
  return require "nebula.for_each"(list, { parallel = parallel }, function(item, index)
    local too_large, result, err
    item, too_large = copy(item, "item", index, place)
    if too_large then return nil, too_large end
    result, err = fn(item, index)
    if result ~= nil then return copy(result, "result", index, fn_place) end
    err, too_large = copy(err, "error of item", index, fn_place)
    if too_large then error(("%s: %s"):format(fn_place, too_large.text), 0) end -- as one that cannot go
    return nil, err
  end)
end

--- for_each() with workers = true.
---@param list any[]
---@param count integer its length
---@param parallel integer
---@param fn fun(item: any, index: integer): any
---@return any[]|nil
---@return any err
function spread.run(list, count, parallel, fn)
  local bytes, why = carry.pack({ fn }, { "fn" }, 1, parts.MOST)
  if not bytes then errors.raise("for_each: %s", why) end
  if count == 0 then return {} end
  local workers, place = mail.workers(), failures.here() or failures.place_of_function(fn)
  if #workers == 1 then return alone(list, parallel, bytes, place) end
  return over_all(workers, list, count, parallel, bytes, place)
end

return spread
