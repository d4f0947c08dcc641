--- relations: what the sections of a policy must be beside one another. One setting and its neighbour are compared by
--- their rows (rules.lua). It is loaded for policies that have such sections.

local numbers = require "nebula.declare.numbers"
local order = require "nebula.declare.order"
local units = require "nebula.units"

local relations = {}

local show = units.show_duration

local function check_tokens(one, retry)
  local tokens = numbers.tokens(retry)
  if not tokens then
    return
  end
  for _, name in ipairs { "success", "cost", "cost_lost" } do
    if name ~= "success" and retry.budget == "ratio" and retry.tokens[name] then
      one:fail({ "retry", "tokens", name }, 'counts only beside budget = "quota"')
    elseif tokens[name] > tokens.capacity then
      one:fail({ "retry", "tokens", name }, ("%.14g is more than capacity, which is %.14g"):format(tokens[name],
        tokens.capacity))
    end
  end
end

local function check_circuit(one, circuit)
  local is_slow = circuit.slow > 0 and circuit.slow_percent > 0
  local goes = circuit.mode == "automatic" or circuit.mode == "metrics"
  if goes and circuit.percent == 0 and circuit.consecutive == 0 and not is_slow then
    one:fail({ "circuit" }, "nothing opens it: percent, consecutive and slow are all 0")
  end
end

local function check_limit(one, limit)
  local adaptive, concurrent = limit.adaptive, limit.concurrent
  local said = type(one.settings.limit) == "table" and one.settings.limit or {}
  local function fail(key, text, number)
    one:fail({ "limit", "adaptive", key }, text:format(number, concurrent))
  end
  if adaptive and concurrent > 0 then
    if concurrent < adaptive.min then
      fail("min", "%d is more than concurrent, which is %d", adaptive.min)
    elseif concurrent > adaptive.max then
      fail("max", "%d is less than concurrent, which is %d", adaptive.max)
    end
  elseif not adaptive and concurrent == 0 and said.queue ~= nil then
    one:fail({ "limit", "queue" }, "counts only beside concurrent or adaptive")
  end
end

local function check_class(one, settings, path, name)
  local shed, wait = settings.shed, settings.call.wait
  local target, most = numbers.class(shed, name)
  local function fail(key, ...)
    local at = { unpack(path) }
    at[#at + 1] = key
    one:fail(at, ...)
  end
  if target > shed.interval then
    fail("target", ("is more than interval, which is %s"):format(show(shed.interval)))
  elseif target > 0 and target >= wait then
    fail("target", ("is no less than call.wait, which is %s: who waits for that long is gone"):format(show(wait)))
  elseif most > 0 and most < target then
    fail("most", ("%s is less than target, which is %s"):format(show(most), show(target)))
  end
end

local function check_shed(one, settings)
  local limit = settings.limit
  check_class(one, settings, { "shed" }, "normal")
  for _, name in ipairs { "critical", "batch" } do
    if settings.shed[name] then
      check_class(one, settings, { "shed", name }, name)
    end
  end
  if limit and (limit.concurrent > 0 or limit.adaptive) and limit.queue == 0 then
    one:fail({ "shed" }, "nobody is shed where nobody waits: limit.queue is 0")
  end
end

--- Reports what of a policy contradicts itself, and what does harm.
---@param one nebula.Declaration
---@param settings table its whole settings, each of which is fine
---@param base table|nil those of the policy it is like
function relations.check(one, settings, base)
  check_tokens(one, settings.retry)
  if settings.circuit then check_circuit(one, settings.circuit) end
  if settings.limit then check_limit(one, settings.limit) end
  if settings.shed then check_shed(one, settings) end
  local mistake = settings.order and order.mistake(settings)
  if mistake then
    one:fail({ "order" }, mistake)
  end
  for _, text in ipairs(not one.failed and order.warnings(settings, base) or {}) do
    one:warn({ "order" }, text)
  end
end

return relations
