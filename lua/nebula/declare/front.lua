--- front: what stands in front of a resource's calls, as policies say it: a cache, and what is given in the place of
-- an answer that did not come.

local keys = require "nebula.keys"
local spans = require "nebula.declare.spans"
local suggest = require "nebula.suggest"

local span = spans.span

local front = {
  answer = { type = "any" }, ---@type nebula.Row of what a function gives
}

-- Nobody's fault but the server's, or the way to it. Not here: what was cancelled, and the caller's own mistakes.
front.codes = {
  "deadline", "wait", "full", "paused", "lost", "unreachable", "unfit", "denied", "busy", "locked", "conflict",
  "storage", "server", "protocol", "memory", "open",
}

-- --- the rows ---------------------------------------------------------------------------------------

-- What only counts for answers that are kept.
local function past_ttl(text)
  local row = span("0s", text)
  row.beside = "ttl"
  row.compare = function(us, ttl)
    return us > 0 and ttl == 0 and "counts only behind a ttl: ttl = \"5s\", for example" or nil
  end
  return row
end

local cache = {
  ttl = span("0s", "How long an answer is given again without asking the server; 0s: not at all."),
  stale = past_ttl("For how long after its ttl an answer is still given at once, while one task asks for a new one."),
  stale_if_error = past_ttl("For how long after its ttl an answer is given when the server cannot be asked or fails."),
  entries = {
    type = "integer", default = 1000, min = 1, max = 1e6, class = "live",
    text = "How many answers are kept, of the resource, in each worker; the ones used longest ago leave.",
  },
  bytes = {
    type = "size", default = "16MB", min = 1000, max = 1e12, class = "live",
    text = "How many bytes these may take together, in each worker.",
  },
  single_flight = {
    type = "boolean", class = "live",
    text = "Whether of those in a worker that ask the same at once only one asks the server. Default: with a ttl.",
  },
}

local WAYS = { "last", "resource", "value", "call" }

local function check_step(step)
  local count = 0
  for _, way in ipairs(WAYS) do
    count = count + (step[way] ~= nil and 1 or 0)
  end
  if count ~= 1 then
    return ("has one of %s%s"):format(table.concat(WAYS, ", "),
      count > 1 and "; for several write a list: { { last = \"10m\" }, { value = {} } }" or "")
  end
end

local steps = {
  last = {
    type = "duration", min = 1000, max = spans.most, class = "live",
    text = "The last good answer to the same question, when it is not older than that.",
  },
  resource = {
    type = "string", max = 64, class = "live",
    text = "The same method of another resource, with the same arguments; its own policy counts there.",
  },
  value = { type = "data", class = "live", text = "This value." },
  call = {
    type = "question", answer = front.answer, class = "live",
    text = "What this function of the error answers; nil: nothing. It has the fields code, action, outcome, resource, "
      .. "method, attempts and text.",
  },
  on = {
    type = "enum", listed = true, one_of = front.codes, class = "live",
    text = "The errors that it is for. Default: all that may be named here.",
  },
}

front.rows = {
  cache = { type = "table", fields = cache, text = "Answers that are given again." },
  fallback = {
    type = "list", lone = true, max = 8, class = "live",
    of = { type = "table", fields = steps, check = check_step },
    text = "What is given when there is no answer, or a list of such, tried in order.",
  },
}

-- --- from settings to what workers go by -------------------------------------------------------------

local function codes_of(on)
  local codes = {}
  for _, code in ipairs(type(on) == "string" and { on } or on or front.codes) do
    codes[code] = true
  end
  return codes
end

---@class nebula.FallbackStep
---@field way "last"|"resource"|"value"|"call"
---@field what any of last the us, of resource its name, of call a nebula.Asked
---@field on table<string, true>

local function step_of(given)
  for _, way in ipairs(WAYS) do
    if given[way] ~= nil then
      return { way = way, what = given[way], on = codes_of(given.on) }
    end
  end
end

---@class nebula.FrontSpec a plain value
---@field ttl_us integer 0: no answer is given again
---@field stale_us integer
---@field stale_if_error_us integer
---@field entries integer
---@field bytes integer
---@field is_single boolean
---@field steps nebula.FallbackStep[]

--- What workers go by.
---@param settings table of a policy
---@return nebula.FrontSpec|nil nil: nothing stands in front
function front.of(settings)
  local given, list = settings.cache, {}
  for i, one in ipairs(settings.fallback or {}) do
    list[i] = step_of(one)
  end
  local is_single = given.single_flight
  if is_single == nil then
    is_single = given.ttl > 0
  end
  if given.ttl == 0 and not is_single and #list == 0 then
    return nil
  end
  return {
    ttl_us = given.ttl, stale_us = given.stale, stale_if_error_us = given.stale_if_error, entries = given.entries,
    bytes = given.bytes, is_single = is_single, steps = list,
  }
end

-- --- what resources make of it ----------------------------------------------------------------------

local function resources_of(declared)
  local names = {}
  local spec = declared.policy.front
  for _, step in ipairs(spec and spec.steps or {}) do
    names[#names + 1] = step.way == "resource" and step.what or nil
  end
  return names
end

-- The names from one resource by fallbacks back to itself, if there is such a way.
local function cycle(by_name, from)
  local seen = {}
  local function walk(name, path)
    for _, other in ipairs(by_name[name] and not seen[name] and resources_of(by_name[name]) or {}) do
      seen[name] = true
      local longer = path .. " -> " .. other
      local found = other == from and longer or walk(other, longer)
      if found then return found end
    end
  end
  return walk(from, from)
end

local function shares_a_method(kind, other)
  for method in pairs(kind.reads) do
    if other.reads and other.reads[method] then return true end
  end
end

local function mistakes(one, by_name, all)
  local list, policy = {}, one.policy_name
  if not one.kind.reads then
    return { ("the policy %s has a cache or a fallback, and nothing that this kind does can have one"):format(policy) }
  end
  for _, name in ipairs(resources_of(one)) do
    local other = by_name[name]
    if not all[name] then
      list[#list + 1] = ("the fallback of the policy %s is a resource that is not declared%s"):format(policy,
        suggest(name, keys(all)))
    elseif other and not shares_a_method(one.kind, other.kind) then
      list[#list + 1] = ("the fallback of the policy %s, %s, has no method in common with it"):format(policy, name)
    end
  end
  local round = cycle(by_name, one.name)
  list[#list + 1] = round and "its fallbacks go round in a circle: " .. round or nil
  return list
end

--- Reports fallbacks that lead nowhere.
---@param list nebula.DeclaredResource[] those in which nothing else is wrong
---@param all table<string, nebula.Declaration> every resource by name
function front.check(list, all)
  local by_name = {}
  for _, one in pairs(list) do
    by_name[one.name] = one
  end
  for _, one in pairs(list) do
    for _, text in ipairs(one.policy.front and mistakes(one, by_name, all) or {}) do
      all[one.name]:fail({ "policy" }, text)
    end
  end
end

return front
