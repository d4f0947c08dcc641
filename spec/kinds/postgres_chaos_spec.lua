-- Faults on purpose, with a real server that tells what was done: what is ok is there once, what failed is not there, and what
-- is in doubt is there at most once. limit: 120 s

local assert = require "luassert"
local c = require "nebula.c"
local chaos = require "nebula.chaos"
local clock = require "spec.support.clock"
local codes = require("nebula.declare.chaos").codes
local declared = require "spec.kinds.declared"
local json = require "cjson"
local postgres = require "spec.support.postgres"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local server = postgres.start()

local function declare(name, settings)
  return ([[postgres %q { host = %q, port = %d, dbname = %q, user = %q, password = %q, %s }]]):format(name, server.host,
    server.port, server.dbname, server.user, server.password, settings)
end

-- From now on. Fields as nebula.declare.chaos gives them.
local function say(db, fields)
  local all = { during_us = 60e6, fail = 0, code = codes.lost, is_cut = false, delay_share = 1, connect = 0 }
  for name, value in pairs(fields) do all[name] = value end
  assert.equal(0, c.lib.nebula_chaos(c.engine, c.lib.nebula_find(c.engine, db.name), chaos.struct(all)))
end

local function say_over(db)
  assert.equal(0, c.lib.nebula_chaos(c.engine, c.lib.nebula_find(c.engine, db.name), c.new "struct nebula_chaos"))
end

describe("postgres with chaos", function()
  local db, calm, before, last = nil, nil, nil, 0

  setup(function()
    db = declared.use(declare("orders", 'pool = { max = 4, connect = "10s" }, policy = "brief"'),
      { brief = 'return policy "brief" { like = "standard", circuit = false, call = { deadline = "2s" }, retry = { tries = 2 } }' })
    calm = declared.use(declare("calm", "pool = { max = 2 }"))
    assert(calm:exec "create table tally (id int not null)")
  end)
  before_each(function()
    assert(calm:exec "truncate tally")
    before = declared.count()
  end)
  after_each(function()
    say_over(db)
    declared.is_whole(before)
    assert.equal(1, db:value "select 1")
    assert.is_nil(declared.inspect(db).faults)
  end)

  -- What was said of each id that fn(id) wrote, compared with what is there: how many were said to be what.
  local function tally(count, fn)
    local said, tasks, counts = {}, {}, { ok = 0, failed = 0, in_doubt = 0, done_in_doubt = 0 }
    local first = last + 1
    for worker = 1, 8 do
      tasks[worker] = task(function()
        for _ = 1, count / 8 do
          last = last + 1
          local id = last
          local ok, err = fn(id)
          said[id] = ok and "ok" or err.outcome
        end
      end)
    end
    for worker = 1, 8 do assert(tasks[worker]:join() == nil) end
    declared.is_whole({ tasks = before.tasks, tickets = before.tickets })
    local there = {}
    for _, row in ipairs(assert(calm:query "select id from tally")) do
      assert.is_nil(there[row.id], "there twice")
      there[row.id] = true
    end
    for id = first, last do
      local word = said[id]
      counts[word] = counts[word] + 1
      if word == "in_doubt" then
        counts.done_in_doubt = counts.done_in_doubt + (there[id] and 1 or 0)
      else
        assert.equal(word == "ok", there[id] or false, ("%d was %s"):format(id, word))
      end
    end
    return counts
  end

  local function insert(id) return db:exec("insert into tally values (?)", id) end

  local function insert_in_transaction(id)
    return db:transaction(function(tx)
      local ok, err = tx:exec("insert into tally values (?)", id)
      if not ok then return nil, err end
      return tx:value "select 1"
    end)
  end

  local function insert_in_batch(id)
    return db:batch(function(b)
      b:exec("insert into tally values (?)", id)
      b:value "select 1"
    end)
  end

  for name, fn in pairs { statements = insert, transactions = insert_in_transaction, batches = insert_in_batch } do
    it("agrees with the server: " .. name .. " that fail before they are sent", function()
      for _, code in ipairs { "lost", "locked", "server", "conflict" } do
        say(db, { fail = 0.2, code = codes[code] })
        local counts = tally(200, fn)
        say_over(db)
        assert.equal(0, counts.in_doubt)
        assert.is_true(counts.failed > 0 and counts.ok > 50)
      end
    end)

    it("agrees with the server: " .. name .. " that are cut off", function()
      say(db, { fail = 0.2, is_cut = true })
      local counts = tally(400, fn)
      assert.is_true(counts.in_doubt > 10 and counts.ok > 50)
      assert.is_true(counts.done_in_doubt < counts.in_doubt)
      if name ~= "transactions" then assert.is_true(counts.done_in_doubt > 0) end
    end)
  end

  it("agrees with the server when all comes together, and connections fail as well", function()
    say(db, { fail = 0.1, is_cut = true, delay_us = 5e3, delay_quantile = 0.95, connect = 0.3 })
    local counts = tally(400, insert)
    assert.is_true(counts.ok > 200 and counts.in_doubt > 5)
    local told = declared.inspect(db)
    assert.is_true(told.chaos > 400)
    assert.equal("10 % of the requests are cut off under way, all requests are held back for 5 ms at p95, "
      .. "30 % of the connects fail", told.faults.text)
  end)

  it("holds back, and what is not sent by its deadline was not done", function()
    say(db, { delay_us = 100e3 })
    local begun = clock.now()
    assert.equal(1, db:value "select 1")
    assert.is_true(clock.now() - begun >= 99)
    say(db, { delay_us = 5e6 })
    begun = clock.now()
    local _, err = db:exec({ deadline = "50ms" }, "insert into tally values (0)")
    assert.same({ "deadline", "failed" }, { err.code, err.outcome })
    assert.is_true(clock.now() - begun < 1000)
    local waiting = task(function() return db:exec "insert into tally values (0)" end)
    sleep "10ms"
    say_over(db) -- it goes on at once
    assert.equal(1, waiting:join())
    assert.equal(1, calm:value "select count(*)::int from tally")
    assert.equal(0, declared.pool(db).cancels)
  end)

  it("changes nothing of what a stream brings, but that it may be lost", function()
    say(db, { fail = 0.01, delay_us = 1000, delay_quantile = 0.9, seed = 5 })
    local whole, lost = 0, 0
    for _ = 1, 20 do
      local ok, err = db:transaction(function(tx)
        local rows, why = tx:stream({ window = 5 }, "select generate_series(1, 50) as n")
        local sum = 0
        local function next_row()
          local row, err = rows:next()
          why = err
          return row
        end
        for row in rows and next_row or function() end do sum = sum + row.n end
        if why then return nil, why end
        assert(sum == 1275)
        return true
      end)
      whole, lost = whole + (ok and 1 or 0), lost + (err and 1 or 0)
      if err then assert.equal("lost", err.code) end
    end
    assert.is_true(whole > 5 and lost > 0)
  end)

  it("lets who listens miss nothing that he is not told of", function()
    say(db, { fail = 0.3, code = codes.lost, seed = 3 })
    local listener
    for _ = 1, 20 do
      listener = listener or db:listen "news"
    end
    say_over(db)
    listener = listener or assert(db:listen "news")
    sleep "300ms"
    assert(calm:exec "notify news, 'one'")
    local note
    repeat note = assert(listener:next "10s") until not note.gap
    assert.same({ "news", "one" }, { note.channel, note.payload })
    listener:close()
  end)
end)

describe("a program with chaos in postgres", function()
  it("has it in all of its workers, and its own server says what was done", function()
    local folder = tmp.folder()
    server:psql("create table program_tally (id int not null); grant all on program_tally to " .. server.user)
    tmp.write(folder, "resources/orders.lua", declare("orders", "pool = { max = 4 }"))
    tmp.write(folder, "policies/chaos.lua", [[chaos "bad" { on = "orders", fail = "20%", cut = true, during = "1m",
      delay = { "2ms", "p95" } }]])
    local flow = tmp.write(folder, "flow.lua", [[
      local list = {}
      for i = 1, 400 do list[i] = i end
      local said = assert(for_each(list, { workers = true, parallel = 12 }, function(id)
        local ok, err = use("orders"):exec("insert into program_tally values (?)", id)
        return ok and "ok" or err.outcome
      end))
      print(table.concat(said, " "))]])
    local output = program.ended(0, program.nebula("run", "--dir", folder, "--allow-chaos", "--workers", "3", "--log-level",
      "error", flow)).output
    local there, id, counts = {}, 0, { ok = 0, failed = 0, in_doubt = 0 }
    for line in server:psql("select id, count(*) from program_tally group by 1"):gmatch "[^\n]+" do
      local one, times = line:match "(%d+)%D+(%d+)"
      if one then there[tonumber(one)] = tonumber(times) end
    end
    for word in output:gmatch "%S+" do
      id = id + 1
      counts[word] = counts[word] + 1
      if word == "in_doubt" then assert.is_true((there[id] or 0) <= 1)
      else assert.equal(word == "ok" and 1 or 0, there[id] or 0, id .. " was " .. word) end
    end
    assert.equal(400, id)
    assert.is_true(counts.ok > 200 and counts.in_doubt > 20, json.encode(counts))
  end)
end)
