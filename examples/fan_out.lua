-- Many questions at once, and an end to all of them.    nebula run examples/fan_out.lua
--
-- for_each starts a task for each item, so many at a time, and comes back when all have ended. What takes longer
-- than the deadline is cancelled on the server too, and its connection is clean before anybody else gets it.

local shop = use "shop"

-- Counts to `limit` on the server: a question whose answer takes as long as we want.
local count_to = [[
  with recursive n(i) as (select 1 union all select i + 1 from n where i < $1) select count(*) from n
]]

local answers = {}
local ok, err = for_each({ 10, 1000, 100000, 7, 70, 700 }, { parallel = 3 }, function(limit)
  answers[limit] = assert(shop:value(count_to, limit))
end)
print("all of them:", ok ~= nil, err)
for _, limit in ipairs { 7, 10, 70, 700, 1000, 100000 } do
  print(limit, answers[limit])
end

local counted = {}
ok, err = deadline("500ms", function()
  return for_each({ 5, 50, 2000000000 }, { parallel = 3 }, function(limit)
    local count, why = shop:value(count_to, limit)
    counted[limit] = count or why.code
    if not count then
      return nil, why
    end
  end)
end)
for _, limit in ipairs { 5, 50, 2000000000 } do
  print(("counting to %d:"):format(limit), counted[limit])
end
print("within 500 ms:", ok, err.code)
print("and afterwards:", assert(shop:value(count_to, 3)))
