-- limit: 300 s
-- A batch whose connection breaks, at any byte, or whose time is over: what is known of each of its statements.

local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local postgres = require "spec.support.postgres"
local proxy = require "spec.support.proxy"

local server = postgres.start()

local function declare(name, settings, port)
  return ([[postgres %q { host = %q, port = %d, dbname = %q, user = %q, password = %q, policy = "unguarded", %s }]]):format(
    name, server.host, port or server.port, server.dbname, server.user, server.password, settings)
end

local insert = "insert into done (id) values (?)"

describe("a batch in trouble", function()
  local db, before

  setup(function()
    db = declared.use(declare("batch", "pool = { max = 1 }"), declared.unguarded)
    assert(db:exec "create table done (id int primary key)")
  end)
  before_each(function() before = declared.count() end)
  after_each(function() declared.is_whole(before) end)

  local function ids()
    local list = {}
    for at, row in ipairs(assert(db:query "select id from done order by id")) do list[at] = row.id end
    return list
  end

  local function clear() assert(db:exec "delete from done") end

  it("is repeated when its connection breaks and every statement only reads", function()
    local one = declared.use(declare("batch_again", "pool = { max = 1 }"), declared.unguarded)
    local function ask(b)
      b:value "select pg_backend_pid()"
      b:value "select 1 from pg_sleep(0.5)"
    end
    local function end_it()
      clock.eventually("it was ended", function()
        return server:psql [[select count(pg_terminate_backend(pid)) from pg_stat_activity
          where application_name = 'nebula batch_again' and state = 'active' and wait_event = 'PgSleep']] ~= "0"
      end)
    end
    for _, each in ipairs { false, true } do
      local work = task(function() return { one:batch({ each = each }, ask) } end)
      end_it()
      local results, err = unpack(work:join(), 1, 2)
      assert.is_nil(err)
      assert.equal(1, results[2])
    end
    assert.equal(2, declared.inspect(one).retries)
    local work = task(function()
      return { one:batch({ each = true }, function(b)
        b:exec(insert, 1)
        b:exec "insert into done select 2 from pg_sleep(60)"
        b:exec(insert, 3)
      end) }
    end)
    end_it()
    local results, err = unpack(work:join(), 1, 2)
    assert.equal(1, results[1])
    assert.same({ "lost", "failed", 2 }, { err.code, err.outcome, err.part }) -- the server said that it ended it
    assert.same({ "lost", "failed" }, { results[3].code, results[3].outcome })
    assert.same({ 1 }, ids())
    clear()
  end)

  it("is answered at its deadline, with what is known by then", function()
    local results, err = db:batch({ each = true, deadline = "300ms" }, function(b)
      b:exec(insert, 1)
      b:exec "insert into done select 2 from pg_sleep(60)"
      b:exec(insert, 3)
    end)
    assert.equal(1, results[1])
    assert.same({ "deadline", "in_doubt" }, { err.code, err.outcome })
    assert.same({ "deadline", "in_doubt" }, { results[3].code, results[3].outcome })
    results, err = db:batch({ deadline = "300ms" }, function(b)
      b:exec(insert, 4)
      b:exec "insert into done select 5 from pg_sleep(60)"
    end)
    assert.same({ nil, "deadline", "in_doubt" }, { results, err.code, err.outcome })
    clock.eventually("it is over", function() return #ids() > 0 end)
    for _, id in ipairs(ids()) do assert.is_true(id == 1 or id == 3) end
    clear()
  end)

  it("agrees with what the server has when the answer breaks off at any byte", function()
    local network = proxy.start(server)
    local far = declared.use(declare("batch_bytes", "pool = { max = 1 }", network.port), declared.unguarded)
    for _, each in ipairs { false, true } do
      local outcomes, bytes = {}, 1
      repeat
        network:tell "pass"
        clock.eventually("it is connected", function() return far:value "select 1" == 1 end)
        network:tell("truncate", "down", bytes, "close")
        local first = 4 * bytes
        local results, err = far:batch({ each = each }, function(b)
          for id = first, first + 3 do b:exec(insert, id) end
        end)
        clock.eventually("the server is done", function()
          return db:value "select count(*) from pg_stat_activity where application_name = 'nebula batch_bytes'" <= 1
            and db:value "select count(*) from pg_stat_activity where state = 'active'" == 1
        end)
        for at = 1, 4 do
          local result = results and results[at] or err
          outcomes[first + at - 1] = result == 1 and "ok" or result.outcome
        end
        bytes = bytes + 1
      until not err
      assert.is_true(bytes > 60)
      local is_there, count = {}, { ok = 0, failed = 0, in_doubt = 0 }
      for _, id in ipairs(ids()) do is_there[id] = true end
      for id = 4, 4 * bytes - 1 do
        local said = outcomes[id]
        count[said] = count[said] + 1
        assert.is_true(said == "in_doubt" or (said == "ok") == (is_there[id] or false), id .. " was " .. said)
      end
      assert.equal(each, count.ok > 4)
      assert.equal(0, count.failed)
      clear()
    end
    network:stop()
  end)

  it("has failed, whatever breaks off behind the words that say so", function()
    local network = proxy.start(server)
    local far = declared.use(declare("batch_refused", "pool = { max = 1 }", network.port), declared.unguarded)
    assert(db:exec(insert, 1))
    local function batch()
      return far:batch(function(b)
        b:exec(insert, 2)
        b:exec(insert, 1)
        b:exec(insert, 3)
      end)
    end
    local function alone() return far:exec(insert, 1) end
    for _, ask in ipairs { batch, alone } do
      local count, bytes = { failed = 0, in_doubt = 0 }, 1
      repeat
        local session = far:value "select pg_backend_pid()"
        network:tell("truncate", "down", bytes, "close", "once")
        local result, err = ask()
        assert.is_nil(result)
        assert.equal(err.outcome == "failed" and "23505" or "", err.state)
        assert.equal(err.outcome == "failed" and ask == batch and 2 or nil, err.part)
        count[err.outcome] = count[err.outcome] + 1
        bytes = bytes + 1
        network:tell "pass"
      until far:value "select pg_backend_pid()" == session -- all of the answer has come
      assert.is_true(count.in_doubt > 10)
      assert.is_true(count.failed > 3) -- one is the whole answer
      assert.same({ 1 }, ids())
    end
    clear()
    network:stop()
  end)

  it("agrees with what the server has, wherever its connection is cut", function()
    local network = proxy.start(server)
    local far = declared.use(declare("batch_cut", 'pool = { max = 4, connect = "1s" }', network.port), declared.unguarded)
    local claims, last, done = {}, 0, 0
    local function some(each)
      local first = last + 1
      last = last + 8
      local results, err = far:batch({ each = each, deadline = "2s" }, function(b)
        for id = first, first + 7 do b:exec(insert, id) end
      end)
      for at = 1, 8 do
        local result = results and results[at] or err
        claims[first + at - 1] = result == 1 and "ok" or result.outcome
      end
      done = results and not err and done + 1 or done
    end
    local workers, is_over = {}, false
    for i = 1, 4 do
      workers[i] = task(function()
        while not is_over do some(i % 2 == 0) end
      end)
    end
    for i = 1, 30 do
      local enough = done + 2 + i % 7
      clock.eventually("some are done", function() return done >= enough end)
      network:tell "cut"
    end
    is_over = true
    for i = 1, 4 do workers[i]:join() end
    network:stop()
    local count, is_there = {}, {}
    for _, id in ipairs(ids()) do is_there[id] = true end
    for id = 1, last do
      local claim = claims[id]
      count[claim] = (count[claim] or 0) + 1
      assert.is_true(claim == "in_doubt" or (claim == "ok") == (is_there[id] or false),
        ("%d was %s and is %s"):format(id, claim, is_there[id] and "there" or "not there"))
    end
    assert.is_true(count.ok > 100)
    assert.is_true(count.in_doubt > 0)
    clear()
  end)
end)
