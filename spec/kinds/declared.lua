-- declared.lua - resources for a spec, declared the way users do it, and the proof that nothing of them leaked.
local c = require "nebula.c"
local assert = require "luassert"
local clock = require "spec.support.clock"
local declare = require "nebula.declare"
local json = require "cjson"
local kind = require "nebula.kind"
local process = require "spec.support.process"
local resources = require "nebula.resource"
local tmp = require "spec.support.tmp"
local worker = require "nebula.worker"

local declared = {}

local kinds = kind.load { worker.home .. "/resources/sqlite.lua", worker.home .. "/resources/postgres.lua" }

---A sanitizer makes everything about three times as slow, so who asks for a connection is three times as patient: what
---policies/standard.lua is there, else nil.
---@type string?
declared.standard = process.is_sanitized and tmp.read(worker.home .. "/policies/standard.lua"):gsub('"500ms"', '"1500ms"') or nil

---Policies for use(): one that is as the standard one without its circuit, which would be open most of the time where
---faults come by the dozen.
declared.unguarded = { unguarded = 'return policy "unguarded" { like = "standard", circuit = false }' }

local function read(text, policies)
  local folder = tmp.folder()
  tmp.write(folder, "resources/spec.lua", text)
  if declared.standard then tmp.write(folder, "policies/standard.lua", declared.standard) end
  for name, policy in pairs(policies or {}) do tmp.write(folder, ("policies/%s.lua"):format(name), policy) end
  return declare.read { dirs = { folder }, home = worker.home, kinds = kinds }
end

---From now on declarations may be of this kind, too.
---@param path string of its file, beside whose folder its driver is
function declared.know(path)
  for name, one in pairs(kind.load { path }) do kinds[name] = one end
end

---Declares what the text says. Names must be new: an engine keeps what it was told.
---@param text string of a file in resources/
---@param policies? table<string, string> texts of files in policies/, by name
---@return nebula.Resource ... in the order of the text
function declared.use(text, policies)
  local set, errors = read(text, policies)
  if not set then error(tostring(errors[1]), 2) end
  local list = {}
  for at, spec in ipairs(set.resources) do list[at] = assert(resources.declare(spec)) end
  return unpack(list)
end

---The complaints about a text.
---@param policies? table<string, string> as in use()
---@return string lines
function declared.complaints(text, policies)
  local _, errors = read(text, policies)
  local lines = {}
  for at, one in ipairs(errors or {}) do lines[at] = tostring(one) end
  return table.concat(lines, "\n")
end

local function ask(request)
  return json.decode(c.string(c.lib.nebula_ask(c.engine, json.encode(request))))
end

---@param resource nebula.Resource
---@return table as `nebula inspect` shows it
function declared.inspect(resource)
  return ask({ verb = "inspect", name = resource.name }).resource
end

---The pool of a role, if it was used yet; by default the first that was.
---@param resource nebula.Resource
---@param role? string
---@return table
function declared.pool(resource, role)
  for _, pool in ipairs(declared.inspect(resource).pools) do
    if not role or pool.role == role then return pool end
  end
end

local moving = { "leased", "listening", "opening", "checking", "resetting", "cancelling", "closing", "waiting" }

local function what_moves_in(name)
  for _, pool in ipairs(ask({ verb = "inspect", name = name }).resource.pools) do
    for _, state in ipairs(moving) do
      if pool[state] > 0 then return ("%s: %d %s"):format(name, pool[state], state) end
    end
  end
end

local function what_moves()
  for _, one in ipairs(ask({ verb = "ls" }).resources) do
    local still = what_moves_in(one.name)
    if still then return still end
  end
end

local function is_quiet(look)
  local still
  assert(clock.wait(function()
    still = look()
    return not still
  end, 10000), still)
end

---Every connection of this one is idle again, or gone, and nobody waits.
---@param resource nebula.Resource
function declared.is_settled(resource)
  is_quiet(function() return what_moves_in(resource.name) end)
end

---What lives at this moment beside the connections: to be compared before and after.
---@return { tasks: integer, tickets: integer }
function declared.count()
  local ls = ask({ verb = "ls" })
  return { tasks = ls.tasks, tickets = ls.tickets }
end

---Every connection is idle again, nobody waits, and no task or ticket more than before is left.
---@param before { tasks: integer, tickets: integer }
function declared.is_whole(before)
  is_quiet(what_moves)
  assert.same(before, declared.count())
end

return declared
