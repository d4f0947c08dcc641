--- own: a method of a resource sees that what it is called on is of its kind, for kinds share functions.

local errors = require "nebula.error"
local outside = require "nebula.outside"

local type = type -- not looked up at each lease

local own = {}

--- Raises unless self is a resource of the kind.
---@param self any
---@param kind nebula.Kind
---@param name string of the method
function own.check(self, kind, name)
  if type(self) ~= "table" or self.kind ~= kind then
    errors.raise("this is no resource of the kind %s: call %s() with a colon on its own resource", kind.name, name)
  end
end

--- The function as a method of resources of the kind alone.
---@param kind nebula.Kind
---@param name string
---@param fn function
---@return function
function own.method(kind, name, fn)
  return function(self, ...)
    own.check(self, kind, name)
    if outside.watches > 0 then
      outside.touch(self.name)
    end
    return fn(self, ...)
  end
end

return own
