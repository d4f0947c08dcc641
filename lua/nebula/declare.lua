--- declare: what the files say, checked: from folders of Lua to resources that the engine can be told.
--
-- Every file is read once and run in the judge (engine/judge.h), so that nothing in it can wait, fill the memory or
-- reach anything. What it declared is checked by rows (shape.lua), and everything that is wrong is found at once,
-- each with its file, line and column.

local judge = require "nebula.judge"
local declaration = require "nebula.declare.declaration"
local front = require "nebula.declare.front"
local lazy = require "nebula.lazy"
local numbers = require "nebula.declare.numbers"
local operations = require "nebula.declare.operations"
local places = require "nebula.declare.places"
local policies = require "nebula.declare.policies"
local preludes = require "nebula.declare.preludes"
local report = require "nebula.declare.report"
local rows = require "nebula.declare.rows"
local shape = require "nebula.shape"
local sources = require "nebula.declare.sources"
local strategies = require "nebula.declare.strategies"
local suggest = require "nebula.suggest"

local balance = lazy "nebula.declare.balance"
local chaos = lazy "nebula.declare.chaos"

---@class nebula.DeclaredResource what resource.declare() takes: see nebula.Spec
---@field name string
---@field kind nebula.Kind
---@field policy_name string
---@field policy table as in nebula.Spec
---@field operations table<string, nebula.DeclaredOperation>|nil
---@field pool table as in nebula.Spec
---@field options nebula.Option[]
---@field roles string[]|nil
---@field role_max integer[]|nil
---@field tenant string|nil what its tenants' names must match
---@field tenants integer|nil the most; nil when it is the same resource for all
---@field role_is_fixed boolean[]|nil
---@field is_data boolean|nil
---@field role_choice integer[]|nil
---@field reads string|nil
---@field endpoints string[]|nil
---@field balance table<string, number>|nil how calls spread over them: see nebula.declare.balance
---@field chaos table|nil faults on purpose: see nebula.declare.chaos
---@field places nebula.Places|nil where the settings of its policy stand
---@field strategy nebula.Strategy|nil what says how large its pools are
---@field file string
---@field line integer

---@class nebula.DeclaredSet what folders declare
---@field resources nebula.DeclaredResource[] in the order of their declarations
---@field policies nebula.Policies all of them, for calls that name one
---@field asked { file: string, text: string }[]|nil the sources in which settings are functions, for questions.open()
---@field warnings nebula.DeclareError[]|nil what is right, and will do harm

local declare = {}

-- what it said ----------------------------------------------------------------------------------------

local function evaluate(list, kinds)
  local texts = {}
  for i, source in ipairs(list) do
    texts[i] = source.text
  end
  return judge.evaluate { preludes = preludes(kinds), sources = texts }
end

local function report_failures(list, errors, reports)
  for _, e in ipairs(errors) do
    local source = list[e.source] or error("a prelude of the judge failed: " .. e.text, 0)
    local text, word = report.near(e.text)
    local line = math.max(e.line, 1)
    reports:add(source.file, line, source:places():word(word, line), "", text)
  end
end

local function report_unknown(list, unknown, kinds, reports)
  local names = { "policy", "strategy", "chaos", "env" }
  for name in pairs(kinds) do
    names[#names + 1] = name
  end
  for _, use in ipairs(unknown) do
    local source, name = list[use.source], use.name
    if reports:wants() then
      local column = source:places():word(name:match("[^.]*"), use.line)
      local text = rows.names_not_yet[name] and name .. ": not yet in force"
        or "unknown name " .. shape.quote(name) .. suggest(name, names)
      reports:put(source.file, use.line, column, "", text)
    end
  end
end

local function split(list, records, reports)
  local resources, lists, last = {}, { policy = {}, strategy = {}, chaos = {} }, nil
  for _, record in ipairs(records) do
    if type(record[3]) ~= "number" then -- the tree was cut off in the one before
      reports:add(list[last[2]].file, last[3], 1, "", "here the declarations begin to hold more than 500,000 values")
      break
    end
    local one = declaration.new(record, list[record[2]], reports)
    table.insert(lists[record[1]] or resources, one)
    last = record
  end
  return resources, lists
end

-- resources -------------------------------------------------------------------------------------------

local function engine_pool(pool)
  return {
    min = pool.min, max = pool.max, queue = pool.queue, connecting = pool.connecting, fail_fast = pool.fail_fast,
    fifo = pool.order == "fifo", idle_us = pool.idle, life_us = pool.life, life_jitter = pool.life_jitter,
    check_us = pool.check, connect_us = pool.connect, start_us = pool.start_within, keepalive_us = pool.keepalive,
    hold_us = pool.hold, is_reclaiming = pool.hold_action == "reclaim", trace_leases = pool.trace_leases,
    pipeline = pool.pipeline or 0,
  }
end

local function joined(a, b)
  local out = {}
  for _, one in ipairs { a, b } do
    for key, value in pairs(one) do
      out[key] = value
    end
  end
  return out
end

--- What the kind makes of its own options. An address with somebody before its @ is a secret as a whole.
local function tell(one, kind, settings)
  local own = {}
  for name in pairs(kind.options) do
    own[name] = settings[name]
  end
  local told, problems = kind.spec { name = one.name, options = own, pool = settings.pool, balance = settings.balance }
  for _, problem in ipairs(problems or {}) do
    local path = {}
    for key in problem.path:gmatch("[^.]+") do
      path[#path + 1] = key
    end
    one:fail(path, problem.text)
  end
  for _, option in ipairs(told and told.options or {}) do
    option.secret = option.secret or option.value:find("://.*@") ~= nil
  end
  return told
end

local function read_policy(one, settings, from_env, known_policies)
  local policy
  if type(settings.policy) == "string" then
    local why
    policy, why = known_policies:get(settings.policy, from_env.policy)
    if not policy then
      one:fail({ "policy" }, why)
    end
  end
  local named = not one.failed and settings.operations and operations.read(one, settings.operations, function(name)
    return known_policies:get(name, from_env.operations)
  end)
  return policy, named or nil
end

-- The strategy that its pool names, if it does.
local function read_strategy(one, settings, from_env, known_strategies)
  local name, strategy, why = settings.pool.strategy, nil, nil
  if name then
    strategy, why = known_strategies:get(name, from_env.pool)
  end
  if why then
    one:fail({ "pool", "strategy" }, why)
  end
  return strategy
end

-- Whether its size is anybody's to say.
local function check_strategy(one, told)
  if told.tenants then
    one:fail({ "pool", "strategy" }, "a resource of tenants has none: each of them has a pool of his own")
  elseif told.is_data then
    one:fail({ "pool", "strategy" }, "its one connection is its data, so its size is nobody's to say")
  end
end

--- The connections of all its pools.
local function connections_of(one)
  local all = 0
  for i in ipairs(one.roles or one.kind.roles) do
    local most = one.role_max and one.role_max[i] or 0
    all = all + (most > 0 and most or one.pool.max)
  end
  return all
end

-- Its policies as they are for it.
local function bounded(one)
  local connections, queue = connections_of(one), one.pool.queue
  one.policy = numbers.with_limit(one.policy, connections, queue)
  for _, each in pairs(one.operations or {}) do
    each.policy = numbers.with_limit(each.policy, connections, queue)
  end
  return one
end

local function read_resource(one, kind, known_rows, known)
  local settings, from_env = one:check(known_rows)
  local policy, named = read_policy(one, settings, from_env, known.policies)
  local strategy = read_strategy(one, settings, from_env, known.strategies)
  local told = not one.failed and tell(one, kind, settings)
  local balanced = told and settings.balance ~= "connections" and balance.read(one, settings, told)
  if told and not balanced and (numbers.has_each(policy) or named) then
    balance.check_absent(one, settings, told, policy, named)
  end
  if told and strategy then
    check_strategy(one, told)
  end
  if one.failed then
    return nil
  end
  return bounded {
    name = one.name, kind = kind, policy_name = settings.policy, policy = policy, operations = named,
    pool = engine_pool(told.pool and joined(settings.pool, told.pool) or settings.pool),
    options = told.options, roles = told.roles, role_max = told.role_max, role_is_fixed = told.role_is_fixed,
    is_data = told.is_data, role_choice = told.role_choice, reads = told.reads, endpoints = told.endpoints,
    balance = balanced or nil, strategy = strategy, tenant = told.tenant, tenants = told.tenants,
    file = one.source.file, line = one.line,
  }
end

local function read_resources(declared, kinds, known)
  local list, by_name, rows_of = {}, {}, {}
  for _, one in ipairs(declared) do
    local kind, other = kinds[one.kind], by_name[one.name]
    rows_of[kind] = rows_of[kind] or joined(rows.resource, kind.options)
    if other then
      one:fail({}, ("there is already a resource of this name, in %s:%d"):format(other.source.file, other.line))
    end
    by_name[one.name] = other or one
    list[#list + 1] = read_resource(one, kind, rows_of[kind], known)
  end
  front.check(list, by_name)
  return list
end

--- The sources of functions, for questions.open().
local function asked_of(list)
  local asked = {}
  for _, source in ipairs(list) do
    asked[#asked + 1] = source.is_asked and { file = source.file, text = source.text } or nil
  end
  return #asked > 0 and asked or nil
end

--- Reads resources/*.lua and policies/*.lua of folders.
---@param what { dirs: string[], home: string|nil, kinds: table<string, nebula.Kind>, text: table? } home: where the
---  policies that ship are (home/policies); its resources/ are kinds and are not read; text: see sources.read()
---@return nebula.DeclaredSet|nil set
---@return nebula.DeclareError[]|nil errors all of them, by file, line and column; tostring() is one line
function declare.read(what)
  local reports = report.new()
  local list = sources.read(what.home, what.dirs, reports, what.text)
  local records, failures = evaluate(list, what.kinds)
  report_failures(list, failures, reports)
  report_unknown(list, records[1], what.kinds, reports)
  local declared, others = split(list, records[2], reports)
  local known = { policies = policies.collect(others.policy), strategies = strategies.collect(others.strategy) }
  known.policies:check(others.policy)
  known.strategies:check(others.strategy)
  local resources = read_resources(declared, what.kinds, known)
  if #others.chaos > 0 then
    chaos.collect(others.chaos, declared, resources)
  end
  local errors = reports:list()
  if errors then
    return nil, errors
  end
  for _, one in ipairs(resources) do
    one.places = known.policies:where(one.policy_name)
    if one.chaos then
      one.places = places.with_chaos(one.places, one.chaos)
    end
  end
  return { resources = resources, policies = known.policies, asked = asked_of(list), warnings = reports:warnings() }
end

return declare
