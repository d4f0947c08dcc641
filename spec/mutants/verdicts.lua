-- verdicts.lua - what became of the mutants of one file, remembered for as long as nothing changes that it depends on.
--
-- A line for each: the verdict, the spec that found it, and the mistake. A line without an end does not count.

---@class spec.verdicts
local Verdicts = {}
Verdicts.__index = Verdicts

local verdicts = {}

local function key(mistake)
  return ("%d %d %s"):format(mistake.from, mistake.to, (mistake.with:gsub("%s+", " ")))
end

---@param path string
---@param digest string of all that the verdicts depend on
---@return spec.verdicts
function verdicts.open(path, digest)
  local file = io.open(path, "rb")
  local before = file and file:read "*a" or ""
  if file then file:close() end
  local self = setmetatable({ known = {}, file = assert(io.open(path, "wb")) }, Verdicts)
  self.file:write(digest, "\n")
  if before:match "^[^\n]*" == digest then
    for verdict, by, mistake in before:gmatch "(%l+) (%S+) (%d+ %d+ [^\n]*)\n" do self:write(verdict, by, mistake) end
  end
  self.file:flush()
  return self
end

function Verdicts:write(verdict, by, mistake)
  self.known[mistake] = verdict
  self.file:write(("%s %s %s\n"):format(verdict, by, mistake))
end

---@param mistake spec.mistake
---@return string? verdict
function Verdicts:of(mistake)
  return self.known[key(mistake)]
end

function Verdicts:note(mistake, verdict, by)
  self:write(verdict, by or "-", key(mistake))
  self.file:flush()
end

function Verdicts:close()
  self.file:close()
end

return verdicts
