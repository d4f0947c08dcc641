-- seen.lua - what a PostgreSQL server has seen of traffic that inserts, asked as the line server is.
local ffi = require "ffi"
local clock = require "spec.support.clock"
local desk = require "spec.support.desk"

local REALTIME = 0

---@class spec.Seen
local seen = { between = desk.between, in_full_service = desk.in_full_service }
seen.__index = seen

-- What the clock of the server has when ours has nothing, in ms.
local function offset()
  local t = ffi.new "struct spec_timespec"
  ffi.C.clock_gettime(REALTIME, t)
  return tonumber(t.seconds) * 1000 + tonumber(t.nanoseconds) / 1e6 - clock.now()
end

---@param server spec.postgres
---@return spec.Seen
function seen.on(server)
  server:psql(([[drop table if exists seen; create table seen (id bigint, at timestamptz default clock_timestamp());
    alter table seen owner to %s]]):format(server.user))
  return setmetatable({ server = server }, seen)
end

---@return { seen: integer, ids: integer, most: integer }
function seen:counts()
  local all, ids, most = self.server:psql [[select sum(n), count(*), max(n) from
    (select count(*) as n from seen group by id) as each]]:match "(%d+)|(%d+)|(%d+)"
  return { seen = tonumber(all), ids = tonumber(ids), most = tonumber(most) }
end

---What there was from then to then, in windows of so many ms. All that is seen was done.
---@return spec.Slice[]
function seen:slices(from, to, ms)
  local list = {}
  for i = 1, math.ceil((to - from) / ms) do list[i] = { at = from + (i - 1) * ms, seen = 0, ok = 0 } end
  local begin = from + offset()
  local rows = self.server:psql(([[select floor((extract(epoch from at) * 1000 - %.3f) / %d), count(*) from seen
    where extract(epoch from at) * 1000 >= %.3f group by 1]]):format(begin, ms, begin))
  for at, count in rows:gmatch "(%d+)|(%d+)" do
    local one = list[tonumber(at) + 1]
    if one then one.seen, one.ok = tonumber(count), tonumber(count) end
  end
  return list
end

return seen
