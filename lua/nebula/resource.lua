--- resource: what `use` gives: a declared thing of the outside world, with the methods of its kind.

local c = require "nebula.c"
local call = require "nebula.call"
local errors = require "nebula.error"
local failures = require "nebula.failure"
local for_each = require "nebula.for_each"
local keys = require "nebula.keys"
local lazy = require "nebula.lazy"
local own = require "nebula.own"
local specs = require "nebula.spec"
local suggest = require "nebula.suggest"
local wait = require "nebula.wait"
local worker = require "nebula.worker"

local events = lazy "nebula.events"
local front = lazy "nebula.front"
local listen = lazy "nebula.listen"
local operations = lazy "nebula.operations"
local strategies = lazy "nebula.strategies"
local lib, engine = c.lib, c.engine

---@class nebula.Resource
---@field name string
---@field kind nebula.Kind
---@field roles string[]
---@field package id integer the engine's number
---@field reads string|false the role that plain reads go to, false: the first
---@field package role_index table<string, integer>
---@field package operations table<string, nebula.Operation>|nil

local warm = {} ---@type { resource: nebula.Resource, is_awaited: boolean }[] those with `min`, in order

local is_holding_told -- the host knows whom to tell of leases that are held for too long
local is_sized        -- there is a strategy

local resources = {}

-- --- methods of every resource ----------------------------------------------------------------------

-- These come when one of them is first asked for: many resources never lease, and few are operated.
local parts = {
  lease = "nebula.leasing", with = "nebula.leasing",
  pause = "nebula.operating", resume = "nebula.operating", reconnect = "nebula.operating", drain = "nebula.operating",
  resize = "nebula.operating", stats = "nebula.operating",
}

local function methods_of(kind)
  local methods = {}
  for name, fn in pairs(kind.resource) do
    methods[name] = own.method(kind, name, fn)
  end

  if kind.listen then
    methods.listen = own.method(kind, "listen", function(self, ...)
      return listen.open(self, ...)
    end)
  end

  return setmetatable(methods, {
    __index = function(_, name)
      if parts[name] then
        require(parts[name])(methods, kind)
        return methods[name]
      end
      local names = keys(parts)
      for one in pairs(methods) do
        names[#names + 1] = one
      end
      errors.raise("a resource of the kind %s has no method %s%s", kind.name, tostring(name), suggest(name, names))
    end,
  })
end

local function index_of(roles)
  local index = {}
  for i, role in ipairs(roles) do
    index[role] = i - 1
  end
  return index
end

local function metatable_for(kind, methods)
  return {
    __index = methods,
    __tostring = function(self)
      return ("%s %q"):format(kind.name, self.name)
    end,
  }
end

local metatables = setmetatable({}, { __mode = "k" })

-- The lease() of resources whose leases remember where they were taken: the others pay nothing for it. Who calls for it
-- as the last thing he does (`return shop:transaction(fn)`) has left no line behind, but the function that it is for.
local function lease_traced(self, given, fn)
  local lease, err = metatables[self.kind].__index.lease(self, given)
  if lease then
    local place = failures.here() or fn and failures.place_of_function(fn)
    lib.nebula_lease_place(engine, lease.id, place or "an unknown place")
  end
  return lease, err
end

-- What all resources of a kind have in common stands beside their methods, so that one which nobody uses is only its
-- number and its name.
local function metatable_of(spec)
  local kind, is_traced, has_front = spec.kind, spec.pool.trace_leases, spec.policy.front ~= nil
  if not metatables[kind] then
    local methods = methods_of(kind)
    methods.kind, methods.roles, methods.role_index, methods.reads = kind, kind.roles, index_of(kind.roles), false
    metatables[kind] = metatable_for(kind, methods)
  end
  local plain = metatables[kind]
  if not spec.roles and not is_traced and not has_front then
    return plain
  end
  local differs = has_front and front.methods(kind, plain.__index) or {}
  differs.lease = is_traced and lease_traced or nil
  if spec.roles then
    differs.roles, differs.role_index, differs.reads = spec.roles, index_of(spec.roles), spec.reads or false
  end
  return metatable_for(kind, setmetatable(differs, plain))
end

-- --- declaring --------------------------------------------------------------------------------------

-- Its number, or a negative code.
local function tell(spec)
  return specs.with(spec, function(at, balance, rules, chaos, place, places)
    local id = lib.nebula_declare(engine, at)
    local code = id > 0 and balance and lib.nebula_balance(engine, id, balance) or 0
    if id > 0 and code >= 0 and rules then
      code = lib.nebula_rules(engine, id, rules)
    end
    if id > 0 and code >= 0 and place then
      code = lib.nebula_places(engine, id, place, places)
    end
    if id > 0 and code >= 0 and chaos then -- which is told of, with its place
      code = lib.nebula_chaos(engine, id, chaos)
    end
    return code < 0 and code or id
  end)
end

--- Makes a resource known to the engine and to use(). Opens nothing.
---@param spec nebula.Spec
---@return nebula.Resource|nil
---@return nebula.Error|nil
function resources.declare(spec)
  local id = tell(spec)
  local named, code = nil, nil
  if id > 0 and spec.operations then
    named, code = operations.declare(id, spec.name, spec.operations)
  end
  if id < 0 or code then
    return nil, errors.from_code(spec.name, code or id)
  end
  local self = setmetatable({ id = id, name = spec.name }, metatable_of(spec))
  if spec.tenants then -- a third field doubles the table
    self.has_tenants = true
  end
  if spec.policy.front then
    front.begin(self, spec.policy)
  end
  if spec.policy.asks then
    events.hear(spec.name, 0, "", spec.policy.asks)
  end
  if spec.strategy then
    code = strategies.declare(self, spec.strategy)
    if code < 0 then return nil, errors.from_code(spec.name, code) end
    is_sized = true
  end
  if named then
    self.operations = named
  end
  call.resources[id] = self
  if spec.pool.hold_us > 0 and not is_holding_told then
    is_holding_told = true
    worker.on_hold(function(hold)
      require "nebula.holding"(hold)
    end)
  end
  if spec.pool.min > 0 then
    warm[#warm + 1] = { resource = self, is_awaited = spec.pool.start_us > 0 }
  end
  return self
end

--- Begins to open the `min` connections of every resource, and waits for those of the resources with
--- `start_within`.
---@return true|nil
---@return nebula.Error|nil err of the first that did not come in time
function resources.start()
  local waiting, first = {}, nil
  for _, one in ipairs(warm) do
    if one.is_awaited then
      waiting[#waiting + 1] = one.resource
    else
      lib.nebula_cancel(engine, lib.nebula_start(engine, one.resource.id)) -- the pool fills all the same
    end
  end
  -- An event that comes before its task waits for it is lost, so each start has a task of its own.
  for_each(waiting, { parallel = math.max(#waiting, 1) }, function(resource)
    local ok, err = wait.settle(lib.nebula_start(engine, resource.id))
    if not ok and not first then
      err.resource = resource.name
      first = err
    end
    return true
  end)
  return not first or nil, first
end

--- Begins to ask the strategies how large pools are to be, in tasks below this one.
function resources.watch()
  if is_sized then
    strategies.begin()
  end
end

--- A declared resource.
---@param name string
---@return nebula.Resource
function resources.use(name)
  local id = type(name) == "string" and lib.nebula_find(engine, name) or 0 -- the engine has the names anyway
  local resource = call.resources[id]
  if not resource or resource.name ~= name then
    local names = {}
    for _, one in pairs(call.resources) do
      names[#names + 1] = one.name
    end
    table.sort(names)
    errors.raise('use "%s": no resource of this name is declared%s', tostring(name),
      #names > 0 and suggest(name, names) or "; there are no declarations in resources/")
  end
  return resource
end

return resources
