-- fronted.lua - resources with a policy that puts something in front of their calls, and the proof that nothing is left.
local assert = require "luassert"
local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local tmp = require "spec.support.tmp"

local fronted = {}

local folder, count = tmp.folder(), 0

---A statement that comes to no end.
fronted.ENDLESS = "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c"

---A name that no resource has yet.
---@return string
function fronted.name()
  count = count + 1
  return "front" .. count
end

---A SQLite resource behind this policy, with a table n that has one row, 1; and what else is declared.
---@param policy string fields of a policy
---@param settings? string of the resource; default: a file of its own
---@param more? string
---@return nebula.Resource ...
function fronted.sqlite(policy, settings, more)
  local name = fronted.name()
  local list = { declared.use(([[policy %q { like = "standard", %s } sqlite %q { policy = %q, %s } %s]]):format(
    name, policy, name, name, settings or ('file = "%s/%s.db"'):format(folder, name), more or "")) }
  assert(list[1]:exec "create table n (a); insert into n values (1)")
  return unpack(list)
end

---One whose connection can be leased away, so that whoever asks hears `full`.
---@return nebula.Resource ...
function fronted.occupied(policy, more)
  return fronted.sqlite(policy, 'file = ":memory:", pool = { max = 1, fail_fast = true }', more)
end

---Nothing is left of what was asked, also behind those who asked.
---@param before { tasks: integer, tickets: integer }
function fronted.is_whole(before)
  clock.eventually("what is asked behind has ended", function()
    local now = declared.count()
    return now.tasks == before.tasks and now.tickets == before.tickets
  end)
  declared.is_whole(before)
end

return fronted
