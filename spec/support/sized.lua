-- sized.lua - programs whose pools have strategies, each in a folder of its own.

local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

---@class spec.sized
---@field folder string
local Sized = {}
Sized.__index = Sized

---A strategy and a resource that names it, both called so. `few` is an upvalue of its function, which is on line 3.
function Sized:declares(name, size, pool)
  tmp.write(self.folder, ("policies/%s.lua"):format(name),
    ('local few = 3\nreturn strategy %q { every = "100ms",\n  size = %s }\n'):format(name, size))
  tmp.write(self.folder, ("resources/%s.lua"):format(name), ('sqlite %q { file = "%s/%s.db", pool = { %s, strategy = %q } }\n')
    :format(name, self.folder, name, pool or "min = 2, max = 20", name))
end

---The words of the command line that run this workflow.
function Sized:words(text, ...)
  local words = { "run", "--log", "logfmt", ... }
  words[#words + 1] = tmp.write(self.folder, "flow.lua", text)
  return words
end

---What it says, when it ended well.
function Sized:run(text, ...)
  return program.ended(0, program.nebula(unpack(self:words(text, ...))))
end

local sized = {}

---A folder without declarations.
---@return spec.sized
function sized.new()
  return setmetatable({ folder = tmp.folder() }, Sized)
end

return sized
