--- lazy: a module that is loaded when something of it is first used.
--
--   local transaction = lazy "nebula.sql.transaction"
--
-- For what a program with one query never comes to. Only for our own modules, which are in the program itself
-- (lua/bundle.lua): they can be loaded at any time, without memory of files or descriptors.

---@param name string of a module that returns a table which stays as it is
---@return table
return function(name)
  return setmetatable({}, {
    __index = function(self, key)
      setmetatable(self, nil)
      for field, value in pairs(require(name)) do
        self[field] = value
      end
      return self[key]
    end,
  })
end
