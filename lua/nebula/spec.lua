--- spec: a checked declaration as the engine is told it, a struct of nebula.h.

local c = require "nebula.c"
local lazy = require "nebula.lazy"

local balance = lazy "nebula.balance"
local chaos = lazy "nebula.chaos"
local places = lazy "nebula.places"
local rules = lazy "nebula.rules"

---@class nebula.Spec a resource as nebula.declare gives it; times in us, sizes in bytes
---@field name string
---@field kind nebula.Kind
---@field policy_name string
---@field policy table fields of struct nebula_policy; and rules, sections of struct nebula_rules that are in force
---@field operations table<string, nebula.DeclaredOperation>|nil
---@field pool table min max queue connecting pipeline fail_fast fifo idle_us life_us life_jitter check_us connect_us
---  start_us keepalive_us hold_us is_reclaiming trace_leases
---@field options nebula.Option[]
---@field roles string[]|nil instead of the kind's
---@field role_max integer[]|nil by role; 0 is as pool.max
---@field tenant string|nil what its tenants' names must match
---@field tenants integer|nil the most; nil when it is the same resource for all
---@field role_is_fixed boolean[]|nil by role; its max cannot be changed
---@field is_data boolean|nil the session is the data: no other connection can take its place
---@field role_choice integer[]|nil by role: enum nebula_choice
---@field reads string|nil the role that plain reads go to
---@field endpoints string[]|nil
---@field balance table<string, number>|nil how calls spread over them: fields of struct nebula_balance
---@field chaos table|nil faults on purpose: see nebula.declare.chaos
---@field strategy nebula.Strategy|nil what says how large its pools are
---@field places nebula.Places|nil where the settings of its policy stand
---@field file string
---@field line integer

local function fill_pool(at, pool)
  at.min, at.max, at.queue, at.connecting = pool.min, pool.max, pool.queue, pool.connecting
  at.is_fail_fast, at.is_fifo, at.pipeline = pool.fail_fast, pool.fifo, pool.pipeline
  at.idle_us, at.life_us, at.life_jitter = pool.idle_us, pool.life_us, pool.life_jitter
  at.check_us, at.connect_us, at.start_us = pool.check_us, pool.connect_us, pool.start_us
  at.keepalive_us, at.hold_us, at.is_reclaiming = pool.keepalive_us, pool.hold_us, pool.is_reclaiming
end

local function fill_policy(at, policy)
  at.deadline_us, at.wait_us, at.tries = policy.deadline_us, policy.wait_us, policy.tries
  at.pause_us, at.pause_max_us = policy.pause_us, policy.pause_max_us
  at.budget, at.budget_least = policy.budget, policy.budget_least
end

local function fill_options(list)
  local at = c.new("struct nebula_option[?]", #list)
  for i, option in ipairs(list) do
    at[i - 1].name, at[i - 1].value, at[i - 1].is_secret = option.name, option.value, option.secret or false
    at[i - 1].has_tenant = option.has_tenant or false
    at[i - 1].role, at[i - 1].endpoint = option.role or 0, option.endpoint or 0
  end
  return at
end

local function fill_names(list)
  local at = c.new("const char *[?]", #list)
  for i, name in ipairs(list) do
    at[i - 1] = name
  end
  return at
end

local function fill_roles(at, roles, declared)
  local most, is_fixed, choice = declared.role_max, declared.role_is_fixed, declared.role_choice
  at.roles = #roles
  for i, role in ipairs(roles) do
    at.role_name[i - 1], at.role_max[i - 1] = role, most and most[i] or 0
    at.role_is_fixed[i - 1] = is_fixed and is_fixed[i] or false
    at.role_choice[i - 1] = choice and choice[i] or 0
    if role == "writer" then
      at.writer = i - 1
    end
  end
end

local spec = {}

--- Calls fn with the declaration as a `struct nebula_spec`, with its `struct nebula_balance`, its `struct nebula_rules`
--- and its `struct nebula_chaos` if it has them, and with where its settings stand: an array of `struct nebula_place`,
--- and how many. They are good until fn has returned.
---@param declared nebula.Spec
---@param fn fun(at: ffi.cdata*, balance: ffi.cdata*?, rules: ffi.cdata*?, chaos: ffi.cdata*?, place: ffi.cdata*?,
---  count: integer?): any
---@return any, any what fn returned
function spec.with(declared, fn)
  local kind, endpoints = declared.kind, declared.endpoints or {}
  local at, option, endpoint = c.new("struct nebula_spec"), fill_options(declared.options), fill_names(endpoints)
  at.name, at.kind, at.driver = declared.name, kind.name, kind.driver
  at.policy_name, at.file, at.line = declared.policy_name, declared.file, declared.line
  at.check, at.rollback, at.reset = kind.check, kind.rollback, kind.reset
  if kind.listen then
    at.listen, at.unlisten, at.channel_most = kind.listen.on, kind.listen.off, kind.listen.most
  end
  at.tenant, at.tenants = declared.tenant, declared.tenants or 0
  at.option, at.options, at.is_data = option, #declared.options, declared.is_data or false
  at.endpoint_name, at.endpoints = endpoint, #endpoints
  fill_roles(at, declared.roles or kind.roles, declared)
  fill_pool(at.pool, declared.pool)
  fill_policy(at.policy, declared.policy)
  local balanced = declared.balance and balance.struct(declared.balance)
  local ruled = declared.policy.rules and rules.struct(declared.policy.rules)
  local disturbed = declared.chaos and chaos.struct(declared.chaos)
  local place, count
  if declared.places then
    place, count = places.array(declared.places)
  end
  local result, why = fn(at, balanced, ruled, disturbed, place, count) -- no tail call: it would leave them
  return result, why
end

-- What an operation has of its own, also where it is not apart.
local function own(said)
  return said and { again = said.again, hedge = said.hedge, early = said.early, order = said.order, asks = said.asks }
end

--- A policy by itself, as an operation has it.
---@param policy table as in nebula.Spec
---@param is_apart boolean else the circuit, the rate and the limit are those of its resource
---@return ffi.cdata* policy `struct nebula_policy`
---@return ffi.cdata* rules `struct nebula_rules`
function spec.policy(policy, is_apart)
  local at, said = c.new "struct nebula_policy", policy.rules
  fill_policy(at, policy)
  return at, rules.struct(is_apart and said or own(said))
end

return spec
