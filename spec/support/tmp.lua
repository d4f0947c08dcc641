-- tmp.lua - folders that are gone when the specs are over.
local ffi = require "ffi"
local ending = require "spec.support.ending"

ffi.cdef [[
char *mkdtemp(char *pattern);
int chmod(const char *path, unsigned mode);
]]

local tmp = {}

tmp.MEMORY = "/dev/shm" -- a place for folders: a disk may keep a writer waiting for longer than a spec allows

---A new folder that others may look into (a server may run as somebody else).
---@param place? string where; default TMPDIR or /tmp
---@return string path
function tmp.folder(place)
  local pattern = (place or os.getenv "TMPDIR" or "/tmp") .. "/nebula-spec-XXXXXX"
  local path = ffi.new("char[?]", #pattern + 1, pattern)
  if ffi.C.mkdtemp(path) == nil then error("no temporary folder: " .. pattern, 2) end
  local folder = ffi.string(path)
  ffi.C.chmod(folder, tonumber("755", 8))
  ending.add(function() os.execute(("rm -rf '%s'"):format(folder)) end)
  return folder
end

---@return string text
function tmp.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

---Writes a file and returns its path.
---@param folder string
---@param name string may hold folders, which are made
---@param text string
function tmp.write(folder, name, text)
  local path = folder .. "/" .. name
  if name:find "/" then os.execute(("mkdir -p '%s'"):format(path:match "^(.*)/")) end
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
  return path
end

return tmp
