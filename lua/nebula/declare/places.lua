--- places: where the settings of a policy stand, for what the engine tells of its decisions.
--
-- A setting stands in the first policy that says it: of those that are `like` one another, from the resource's own on.

---@class nebula.Place
---@field file string
---@field line integer

---@alias nebula.Places table<string, nebula.Place> by the names of PATHS; and chaos, of a resource that has some

local PATHS = {
  deadline = { "call", "deadline" }, wait = { "call", "wait" }, early = { "call", "early" }, retry = { "retry" },
  circuit = { "circuit" }, limit = { "limit" }, rate = { "limit", "rate" }, shed = { "shed" }, hedge = { "hedge" },
  cache = { "cache" }, fallback = { "fallback" },
}

local places = {}

local function says(settings, path)
  for _, key in ipairs(path) do
    settings = type(settings) == "table" and settings[key]
  end
  return settings ~= nil and settings ~= false
end

local function place_of(declared, one, path)
  while one and not says(one.settings, path) do
    one = declared[one.settings.like]
  end
  if not one then return nil end
  return { file = one.source.file, line = (one.source:places():setting(one.kind, one.name, one.line, path)) }
end

--- Those of a policy without mistakes.
---@param declared table<string, nebula.Declaration> all policies by name
---@param name string
---@return nebula.Places
function places.of(declared, name)
  local found = {}
  for setting, path in pairs(PATHS) do
    found[setting] = place_of(declared, declared[name], path)
  end
  return found
end

--- Those of a resource that has chaos besides, of which many may have the others.
---@param found nebula.Places
---@param chaos table see nebula.declare.chaos
---@return nebula.Places
function places.with_chaos(found, chaos)
  local all = { chaos = { file = chaos.file, line = chaos.line } }
  for setting, place in pairs(found) do
    all[setting] = place
  end
  return all
end

return places
