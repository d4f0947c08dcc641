-- balanced.lua - what the specs of balanced calls stand on: three real servers that are alike, behind a network of ours, each
-- of which counts what it is asked.
local assert = require "luassert"
local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local nebula = require "nebula"
local postgres = require "spec.support.postgres"
local proxies = require "spec.support.proxy"

local SERVERS = 3
local server, proxy, host = {}, {}, {}

local balanced = { SERVERS = SERVERS, CALL = "select nextval('calls'), pg_sleep(0.004)" }

---Before anything else.
---@return table servers
---@return table proxies of each its own
function balanced.start()
  for i = 1, SERVERS do
    server[i] = postgres.start()
    server[i]:psql [[create sequence calls owned by none; alter sequence calls owner to spec;
      create table seen (key text); alter table seen owner to spec]]
    proxy[i] = proxies.start(server[i])
    host[i] = ("%q"):format(("%s:%d"):format(proxy[i].host, proxy[i].port))
  end
  return server, proxy
end

local count, used = 0, {}

---A resource of all three, which are alike.
---@param rules? string settings of its policy
function balanced.use(settings, rules)
  count = count + 1
  local first = server[1]
  used[#used + 1] = declared.use(([[policy "balanced" { call = { deadline = "5s", wait = "5s" }, retry = { tries = 1 }, %s }
    postgres "balanced%d" { host = { %s }, dbname = %q, user = %q, password = %q, target_session_attrs = "any",
      policy = "balanced", pool = { max = 24, connecting = 8, min = 6 }, %s }]]):format(rules or "",
    count, table.concat(host, ", "), first.dbname, first.user, first.password, settings))
  return used[#used]
end

---None of them goes on refilling what the next ones break.
function balanced.drain_used()
  for _, db in ipairs(used) do assert(db:drain { within = "5s" }) end
  used = {}
end

local counted = { 0, 0, 0 }

---What each server was asked since this was asked last, by its own word.
function balanced.served()
  local more = {}
  for i = 1, SERVERS do
    local all = tonumber(server[i]:psql "select case when is_called then last_value else 0 end from calls")
    more[i], counted[i] = all - counted[i], all
  end
  return more
end

---So many calls of each of some tasks; how many failed.
function balanced.work(db, calls, tasks, options)
  local list, failed = {}, 0
  for i = 1, tasks do
    list[i] = nebula.task(function()
      for _ = 1, calls do
        local ok = db:one(options or {}, balanced.CALL)
        failed = failed + (ok and 0 or 1)
      end
      return true
    end)
  end
  for _, one in ipairs(list) do assert(one:join()) end
  return failed
end

---Every endpoint that is up has a connection that is idle, and was used.
function balanced.warm_up(db)
  clock.eventually("all are used", function()
    balanced.work(db, 3, 6)
    local pool = declared.pool(db, "primary")
    for _, one in ipairs(pool.endpoints) do
      if one.state ~= "down" and (one.state ~= "fit" or one.connections == 0 or one.calls == 0) then return false end
    end
    return pool.opening == 0
  end)
  declared.is_settled(db)
  balanced.served()
end

-- How many connections there are; nil while one is being opened.
local function connections(db)
  local pool, all = declared.pool(db, "primary"), 0
  for _, one in ipairs(pool.endpoints) do all = all + one.connections end
  return pool.opening == 0 and all or nil
end

---Of calls that all went where the rule had them go: else one more connection would have been opened there.
function balanced.shares(db, calls, tasks)
  balanced.warm_up(db)
  local by
  clock.eventually("none is opened meanwhile", function()
    balanced.served()
    local before = connections(db)
    assert.equal(0, balanced.work(db, calls, tasks))
    by = balanced.served()
    return before and connections(db) == before
  end, 6 * clock.PATIENCE)
  print(("# %s: %d, %d and %d calls"):format(declared.pool(db, "primary").balance, by[1], by[2], by[3]))
  assert.equal(calls * tasks, by[1] + by[2] + by[3])
  return by
end

function balanced.endpoint(db, at)
  return declared.pool(db, "primary").endpoints[at]
end

---Calls until so many endpoints are ejected.
function balanced.work_until_ejected(db, wanted)
  clock.eventually(wanted .. " are ejected", function()
    db:one({ deadline = "100ms" }, balanced.CALL)
    local out = 0
    for i = 1, SERVERS do out = out + (balanced.endpoint(db, i).ejected_for > 0 and 1 or 0) end
    return out == wanted
  end)
end

return balanced
