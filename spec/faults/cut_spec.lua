-- What becomes of a call when the network ends after n bytes of it, either way, for every n: closed, or without a word.
-- limit: 200 s
--
-- Each call carries an id of its own. However it ends, its outcome must agree with what the server has, its caller is
-- answered in time, and the pool is whole afterwards. STRIDE=k takes every k-th case (31; NEBULA_PROVE: all of them).

local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local ground = require "spec.faults.ground"
local lanes = require "spec.faults.lanes"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"

local STRIDE = tonumber(os.getenv "STRIDE") or os.getenv "NEBULA_PROVE" and 1 or 31
local MOST = 2000 -- bytes
local LANES = 24
local SETTINGS = 'sslmode = %q, pool = { max = 1, connect = "' .. (process.is_sanitized and 3 or 1) .. 's" }'
local DEADLINE = 200
local LATE = 2000 -- ms: no bound of the engine, one of this machine
local CODES = { ok = true, lost = true, unreachable = true, deadline = true, wait = true, protocol = true }

local server = postgres.start { tls = true, settings = { max_connections = 4 * LANES } }
server:psql [[
  create table tally (id bigint, how text); create table pair (id bigint); create table upserts (id bigint primary key);
  alter table upserts owner to spec; alter table tally owner to spec; alter table pair owner to spec]]

local INSERT = "insert into tally (id, how) values (?, 'cut')"
local ends = {}
local last_id = 1000000

local function next_id()
  last_id = last_id + 1
  return last_id
end

-- --- the exchanges ----------------------------------------------------------------------------------

local function insert(db, id, deadline) return db:exec({ deadline = deadline }, INSERT, id) end

local exchanges = {
  { name = "handshake and insert", how = "exec", is_fresh = true, run = insert },
  { name = "handshake over TLS and insert", how = "exec", is_fresh = true, on = "tls", run = insert },
  { name = "prepared insert", how = "exec", run = insert },
  {
    name = "transaction",
    how = "transaction",
    run = function(db, id, deadline)
      return db:transaction({ deadline = deadline }, function(tx)
        local done, err = tx:exec(INSERT, id)
        if not done then return nil, err end
        return tx:exec("insert into pair (id) values (?)", id)
      end)
    end,
  },
  {
    name = "stream",
    how = "exec",
    run = function(db, id, deadline)
      local rows = db:stream({ deadline = deadline, window = 8 }, [[with new as (insert into tally (id, how)
        values (?, 'cut') returning id) select i, new.id from new, generate_series(1, 20) i]], id)
      for i = 1, 20 do
        local row, err = rows:next()
        if not row then return nil, err end
        assert.same({ i = i, id = id }, row)
      end
      local more, err = rows:next()
      assert.is_nil(more)
      if err then return nil, err end
      return true
    end,
  },
  {
    name = "COPY in",
    how = "exec",
    run = function(db, id, deadline)
      return db:copy_in({ deadline = deadline }, "copy tally (id, how) from stdin", { { id, "cut" } })
    end,
  },
  {
    name = "COPY out",
    how = "exec",
    run = function(db, id, deadline)
      return db:copy_out({ deadline = deadline },
        ("copy (insert into tally (id, how) values (%d, 'cut') returning id) to stdout"):format(id), function() end)
    end,
  },
  {
    name = "COPY in a transaction",
    how = "transaction",
    run = function(db, id, deadline)
      return db:transaction({ deadline = deadline }, function(tx)
        local done, err = tx:copy_in("copy tally (id, how) from stdin", { { id, "cut" } })
        if not done then return nil, err end
        return tx:copy_in("copy pair (id) from stdin", { { id } })
      end)
    end,
  },
  {
    name = "script",
    how = "transaction",
    run = function(db, id, deadline)
      return db:exec({ deadline = deadline },
        ("insert into tally (id, how) values (%d, 'cut'); insert into pair (id) values (%d)"):format(id, id))
    end,
  },
  {
    name = "reset, and insert",
    how = "exec",
    run = function(db, id, deadline)
      local done, err = db:with(function(lease) return lease:exec({ deadline = deadline }, "set work_mem = '1MB'") end)
      if not done then return nil, err end
      return insert(db, id, deadline)
    end,
  },
  {
    name = "calls that share a connection",
    how = "upsert",
    on = "shared",
    side_by_side = 6,
    run = function(db, id, deadline)
      return db:exec({ deadline = deadline, idempotent = true }, "insert into upserts (id) values (?) on conflict do nothing", id)
    end,
  },
}

-- --- one case ---------------------------------------------------------------------------------------

local function ask_one(exchange, db, deadline)
  local id = next_id()
  local begun = clock.now()
  local result, err = exchange.run(db, id, deadline .. "ms")
  local one = result ~= nil and { outcome = "ok", code = "ok" } or { outcome = err.outcome, code = err.code, text = tostring(err) }
  one.shown = exchange.name .. ", uncut"
  one.id, one.how, one.took = id, exchange.how, clock.now() - begun
  ends[#ends + 1] = one
  return one
end

local function ask(exchange, db, deadline)
  local list, work = {}, {}
  for at = 1, exchange.side_by_side or 1 do
    work[at] = task(function() list[at] = ask_one(exchange, db, deadline) end)
  end
  for at = 1, #work do work[at]:join() end
  return list
end

local function is_ok(list)
  for _, one in ipairs(list) do
    if one.outcome ~= "ok" then return false end
  end
  return true
end

-- As it is before the cut: nothing open, or one connection that knows the statement.
local function make_ready(lane, exchange)
  local db = lane[exchange.on or "plain"]
  if exchange.is_fresh then
    lanes.forget(lane)
  else
    for _ = 1, 3 do
      clock.eventually("a call works", function() return is_ok(ask(exchange, db, 10000)) end)
    end
  end
  return db
end

-- Bytes of the exchange, each way.
local function measure(lane, exchange)
  local db = make_ready(lane, exchange)
  local before = lane.net:stats()
  assert(is_ok(ask(exchange, db, 10000)))
  local after = lane.net:stats()
  return { up = after.up - before.up, down = after.down - before.down }
end

local function is_whole(lane, db)
  declared.is_settled(db)
  lane.net:tell "pass"
  clock.eventually("it answers again", function() return db:value({ deadline = "5s" }, "select 7") == 7 end, 60000)
end

local function shown(case)
  return ("%s, %s after %d bytes %s"):format(case.exchange.name, case.ending, case.bytes, case.way)
end

local function play(lane, case)
  local db = make_ready(lane, case.exchange)
  lane.net:tell("truncate", case.way, case.bytes, case.ending, "once")
  for _, one in ipairs(ask(case.exchange, db, DEADLINE)) do
    one.shown = shown(case)
    assert(CODES[one.code], one.text)
    assert(one.took < DEADLINE + LATE, ("answered after %d ms"):format(one.took))
  end
  is_whole(lane, db)
end

local function cases()
  local list, every = {}, 0
  for _, exchange in ipairs(exchanges) do
    local size = measure(lanes.first(), exchange)
    for _, way in ipairs { "up", "down" } do
      for bytes = 0, math.min(size[way] - 1, MOST) do
        for _, ending in ipairs { "close", "silence" } do
          every = every + 1
          if every % STRIDE == 0 then
            list[#list + 1] = { exchange = exchange, way = way, bytes = bytes, ending = ending }
          end
        end
      end
    end
  end
  return list, every
end

describe("an exchange with PostgreSQL", function()
  it("may be cut after any of its bytes", function()
    lanes.open(LANES, server, { plain = SETTINGS:format "disable", tls = SETTINGS:format "require",
      shared = SETTINGS:format "disable" .. ", pipeline = 4" })
    local before = declared.count()
    local list, every = cases()
    lanes.play(list, shown, play)
    declared.is_whole(before)
    local has = lanes.tally(server, "tally", "pair", "upserts")
    for _, one in ipairs(ends) do lanes.named(one.shown, ground.check, one, has) end
    ground.agrees({ ends = ends }, has)
    local counts = { ok = 0, failed = 0, in_doubt = 0 }
    for _, one in ipairs(ends) do counts[one.outcome] = counts[one.outcome] + 1 end
    print(("# %d of %d cuts; calls: %d ok, %d failed, %d in doubt"):format(#list, every, counts.ok, counts.failed, counts.in_doubt))
    assert(counts.in_doubt > 0 and counts.failed > 0, "nothing was cut")
  end)
end)
