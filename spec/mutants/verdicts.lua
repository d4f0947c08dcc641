-- verdicts.lua - what became of the mutants of one file, remembered for as long as nothing changes that it depends on: of who was
-- killed the file and the spec that found it, of all others every spec as well.
--
-- A line for each: the verdict, the spec that found it, the digest of what it depends on, and the mistake. A line without an end
-- does not count.

---@class spec.verdicts
local Verdicts = {}
Verdicts.__index = Verdicts

local verdicts = {}

local function key(mistake)
  return ("%d %d %s"):format(mistake.from, mistake.to, (mistake.with:gsub("%s+", " ")))
end

---@param path string
---@param source spec.source
---@return spec.verdicts
function verdicts.open(path, source)
  local file = io.open(path, "rb")
  local before = file and file:read "*a" or ""
  if file then file:close() end
  local self = setmetatable({ known = {}, digests = { ["-"] = source.digest }, file = assert(io.open(path, "wb")) }, Verdicts)
  for _, spec in ipairs(source.specs) do self.digests[spec.program] = spec.digest end
  for verdict, by, digest, mistake in before:gmatch "(%l+) (%S+) (%x+) (%d+ %d+ [^\n]*)\n" do
    if self.digests[by] == digest then self:write(verdict, by, mistake) end
  end
  self.file:flush()
  return self
end

function Verdicts:write(verdict, by, mistake)
  self.known[mistake] = verdict
  self.file:write(("%s %s %s %s\n"):format(verdict, by, self.digests[by], mistake))
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
