-- disk.lua - a small disk of the spec's own, which can be filled to the last byte.
--
-- It is mounted in a namespace of this process, so that it is gone with it whatever happens. That needs rights.
local ffi = require "ffi"
local ending = require "spec.support.ending"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

ffi.cdef [[ int unshare(int flags); ]]

local NEW_MOUNTS = 0x20000

---@class spec.Disk
---@field folder string
local disk = {}
disk.__index = disk

local function run(...)
  return process.run { ... }.code == 0
end

---@return spec.Disk? disk nil when this user may not mount
function disk.small()
  local folder = tmp.folder()
  if ffi.C.unshare(NEW_MOUNTS) ~= 0 or not run("mount", "--make-rprivate", "/")
    or not run("mount", "-t", "tmpfs", "-o", "size=2m,mode=755", "disk", folder) then
    return nil
  end
  ending.add(function() run("umount", "--lazy", folder) end)
  return setmetatable({ folder = folder }, disk)
end

---@param user string
function disk:give_to(user)
  assert(run("chown", user, self.folder))
end

---No byte is left.
function disk:fill()
  process.run { "dd", "if=/dev/zero", "of=" .. self.folder .. "/filler", "bs=4k", errors = false }
end

function disk:empty()
  assert(os.remove(self.folder .. "/filler"))
end

return disk
