--- keys: the keys of a table, all of them, in an order that does not change.

local function comes_before(a, b)
  local kind_a, kind_b = type(a), type(b)
  if kind_a ~= kind_b then
    return kind_a < kind_b
  elseif kind_a == "string" or kind_a == "number" then
    return a < b
  end
  return tostring(a) < tostring(b)
end

---@param table_of table
---@return any[]
return function(table_of)
  local list, are_strings = {}, true
  for key in pairs(table_of) do
    list[#list + 1] = key
    are_strings = are_strings and type(key) == "string"
  end
  table.sort(list, not are_strings and comes_before or nil) -- a call of Lua for each comparison is dear
  return list
end
