--- lease: one connection for one task, until it is given back.
--
-- A lease is a struct of two numbers whose type belongs to its kind, so that compiled code can keep it in
-- registers and a lease of one kind cannot be used as another. It needs no finaliser: it ends with its task.

local c = require "nebula.c"
local errors = require "nebula.error"
local suggest = require "nebula.suggest"

local lib, engine = c.lib, c.engine
local istype, release = c.istype, lib.nebula_release -- not looked up at each release

---@class nebula.Lease: ffi.cdata*
---@field package id integer
---@field package resource integer
---@field release fun(self: nebula.Lease): true|nil, nebula.Error|nil

local leases = {}

local function of_its_kind(type_of, kind, name, fn)
  return function(self, ...)
    if not istype(type_of, self) then
      errors.raise("%s: this is not a lease of the kind %s; call it with a colon on its own lease", name, kind)
    end
    return fn(self, ...)
  end
end

-- Without it the language would say that some struct has no such member.
local function refuse_unknown(methods)
  return setmetatable(methods, {
    __index = function(_, name)
      local names = {}
      for one in pairs(methods) do names[#names + 1] = one end
      errors.raise("a lease has no %s%s", tostring(name), suggest(name, names))
    end,
  })
end

--- The leases of one kind.
---@param kind nebula.Kind
---@return fun(id: integer, resource: integer): nebula.Lease
function leases.type(kind)
  local type_of = c.typeof("struct { int64_t id; int32_t resource; }")
  local methods = {}
  for name, fn in pairs(kind.lease) do
    methods[name] = of_its_kind(type_of, kind.name, name, fn)
  end

  --- Gives the connection back. What it had of leases and streams has ended.
  ---@return true|nil
  ---@return nebula.Error|nil err stale: it was given back already
  function methods.release(self)
    if not istype(type_of, self) then
      errors.raise("release: this is not a lease of the kind %s", kind.name)
    end
    local code = release(engine, self.id, 0)
    if code ~= 0 then
      return nil, errors.from_code(nil, code)
    end
    return true
  end

  return c.metatype(type_of, { __index = refuse_unknown(methods) })
end

return leases
