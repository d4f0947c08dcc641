--- classes: the metatables that a value keeps on its way to another worker.
--
-- Ours are the same in all workers, so their place in a list says which one it is. Composites of a database have a
-- class for each of its types, made from the names of the fields: those are described, and made again there.

local composite = require "nebula.sql.types.composite"
local errors = require "nebula.error"
local hstore = require "nebula.sql.types.extension.hstore"
local json = require "nebula.sql.types.json"
local range = require "nebula.sql.types.range"
local time = require "nebula.sql.types.time"
local value = require "nebula.value"
local words = require "nebula.sql.types.words"

local MOST = 1000 -- classes of databases that are kept

-- One of each.
local examples = {
  value.bytes "", value.array {}, range.of({}), range.of({}, true), composite.new {}, json.list {}, json.null,
  time.at("date", 0, 0), time.span(0, 0, 0, 0), hstore.decode "", words.coded "",
  errors.new("lost", "stop", "failed", ""),
}

local ours, places = {}, {}
for i, one in ipairs(examples) do
  ours[i] = getmetatable(one)
  places[ours[i]] = "ours"
end

local classes = {}

--- Whose a metatable is.
---@param metatable table
---@return "ours"|"own"|nil # "own": of a database; nil: it is not known elsewhere
function classes.known(metatable)
  return places[metatable] or composite.made_of(metatable) and "own" or nil
end

--- All of ours, and then those.
---@param own table[]|nil
---@return table[] # a new one
function classes.list(own)
  local list = {}
  for i = 1, #ours do list[i] = ours[i] end
  for i = 1, own and #own or 0 do list[#list + 1] = own[i] end
  return list
end

--- What a database's own are made of, as a plain value.
---@param own table[]
---@return table[]
function classes.describe(own)
  local list = {}
  for i = 1, #own do list[i] = composite.made_of(own[i]) end
  return list
end

local made, count = {}, 0 -- those that were made from a description, by its words

local function class_of(described)
  local parts = {}
  for i, name in ipairs(described.names) do
    parts[i] = ("%d:%s%s"):format(#name, name, described.are_bytes[i] and "*" or "")
  end
  local key = table.concat(parts)
  if not made[key] then
    if count == MOST then made, count = {}, 0 end
    made[key], count = composite.class(described.names, described.are_bytes), count + 1
  end
  return made[key]
end

--- The classes of a description.
---@param described table[] what describe() gave
---@return table[]
function classes.described(described)
  local own = {}
  for i, one in ipairs(described) do own[i] = class_of(one) end
  return own
end

return classes
