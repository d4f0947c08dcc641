--- whose: which database of a resource is meant that is another one for each tenant.

local c = require "nebula.c"

local lib, engine = c.lib, c.engine

--- The number and the name of the resource of the tenant for whom the current task acts, or whose lease it is.
---@param resource nebula.Resource
---@param lease nebula.Lease|nil
---@return integer number 0 when it is the same for all, or he has none yet
---@return string|nil name
return function(resource, lease)
  if not rawget(resource, "has_tenants") then return 0 end
  if not lease then
    local name = resource.name .. "@" .. c.string(lib.nebula_task_tenant_name(engine))
    return lib.nebula_find(engine, name), name
  end
  local number = lib.nebula_lease_resource(engine, lease.id)
  local name = lib.nebula_name(engine, number)
  return number, name ~= nil and c.string(name) or nil
end
