-- One work in several workers, each with a processor of its own.    nebula run --workers 4 examples/workers.lua
--
-- for_each deals the ranges out to whoever is free, in whatever worker. What is found goes through a channel of the
-- process to one task that writes. It says the same with one worker and with many; it only takes longer.

local shop = use "shop"

-- How often a number is halved, or tripled and one added, until it is 1.
local function steps_of(n)
  local steps = 0
  while n ~= 1 do
    n = n % 2 == 0 and n / 2 or 3 * n + 1
    steps = steps + 1
  end
  return steps
end

shop:exec "drop table if exists chains"
shop:exec "create table chains (first integer primary key, n integer not null, steps integer not null)"

local found = channel("found", { bytes = "64kB" })
local writer = task(function()
  local count = 0
  for one in found do
    assert(shop:exec("insert into chains (first, n, steps) values ($1, $2, $3)", one.first, one.n, one.steps))
    count = count + 1
  end
  return count
end)

local ranges = {}
for first = 1, 300000, 10000 do
  ranges[#ranges + 1] = { first = first, last = first + 9999 }
end

-- A function goes to the other workers with what it uses: steps_of as a copy, the channel by its name.
local longest = assert(for_each(ranges, { workers = true, parallel = 8 }, function(range)
  local best, most = range.first, 0
  for n = range.first, range.last do
    local steps = steps_of(n)
    if steps > most then best, most = n, steps end
  end
  assert(found:send { first = range.first, n = best, steps = most })
  return most
end))
found:close()
print(("%d ranges done, %d written"):format(#longest, writer:join()))

for _, row in ipairs(assert(shop:query "select n, steps from chains order by steps desc, n limit 3")) do
  print(("%6d has %d steps"):format(row.n, row.steps))
end

-- Every worker has the same resources, with connections of its own below one max.
local counts = assert(spawn_on_all(function()
  return shop:value("select count(*) from chains where steps > $1", 300)
end):join())
for i = 2, counts.n do assert(counts[i] == counts[1]) end
print("every worker sees the same: " .. counts[1])
