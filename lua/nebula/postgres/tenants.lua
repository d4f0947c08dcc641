--- tenants: whether a declaration is the mould of one resource for each tenant, and what it may say then.

local PLACE = "{tenant}"

local moulds = { host = true, dbname = true, user = true }

local M = {}

--- Marks the options that are another one for each tenant.
---@param list { name: string, value: string, secret: boolean|nil, has_tenant: boolean|nil }[]
---@return boolean is_mould
---@return string|nil misplaced an option with the word for a tenant, which would keep it as it stands there
function M.mark(list)
  local is_mould, misplaced = false, nil
  for _, option in ipairs(list) do
    local has_tenant = option.value:find(PLACE, 1, true) ~= nil
    option.has_tenant = has_tenant and moulds[option.name] or false
    is_mould = is_mould or option.has_tenant
    if has_tenant and not option.has_tenant and not option.secret then misplaced = option.name end
  end
  return is_mould, misplaced
end

--- What is wrong with settings that are about tenants.
---@param value table<string, any> the settings
---@param pool table
---@param is_mould boolean
---@return { path: string, text: string }|nil
function M.check(value, pool, is_mould)
  if not is_mould and (value.tenant or value.tenants) then
    return { path = value.tenant and "tenant" or "tenants", text = "neither host nor dbname nor user has {tenant}" }
  elseif is_mould and pool.min > 0 then
    return { path = "pool.min", text = "must be 0: before the first call of a tenant there is nobody to connect as" }
  end
end

return M
