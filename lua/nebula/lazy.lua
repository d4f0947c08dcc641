--- lazy: a module that is loaded when something of it is first used.
--
--   local transaction = lazy "nebula.sql.transaction"
--
-- For what a program with one query never comes to. Only for our own modules: they are in the program itself
-- (lua/bundle.lua), so they can be loaded at any time, whatever became of files and descriptors.

---@param name string of a module that returns a table which stays as it is
---@return table
return function(name)
  return setmetatable({}, {
    __index = function(self, key)
      local module = require(name)
      setmetatable(self, nil)
      for field, value in pairs(module) do
        self[field] = value
      end
      return self[key]
    end,
  })
end
