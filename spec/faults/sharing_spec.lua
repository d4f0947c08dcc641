-- limit: 300 s
-- Calls that share a connection, when it breaks, ends or says no more: each is told what is true of it alone.

local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local postgres = require "spec.support.postgres"
local proxy = require "spec.support.proxy"
local unserved = require "spec.support.unserved"

local server = postgres.start()

local function declare(name, settings, port)
  return ([[postgres %q { host = %q, port = %d, dbname = %q, user = %q, password = %q, policy = "unguarded", %s }]]):format(
    name, server.host, port or server.port, server.dbname, server.user, server.password, settings)
end

local insert = "insert into done (id) values (?) on conflict do nothing"

describe("calls that share a connection in trouble", function()
  local db, before

  setup(function()
    db = declared.use(declare("sharing", "pool = { max = 1 }"), declared.unguarded)
    assert(db:exec "create table done (id int primary key)")
  end)
  before_each(function() before = declared.count() end)
  after_each(function() declared.is_whole(before) end)

  -- What was said of each id, compared with what is there. How often each was said.
  local function compare(said)
    local is_there, count = {}, { ok = 0, failed = 0, in_doubt = 0 }
    for _, row in ipairs(assert(db:query "select id from done")) do is_there[row.id] = true end
    for id, word in pairs(said) do
      count[word] = count[word] + 1
      assert.is_true(word == "in_doubt" or (word == "ok") == (is_there[id] or false),
        ("%d was %s and is %s"):format(id, word, is_there[id] and "there" or "not there"))
    end
    assert(db:exec "delete from done")
    return count
  end

  -- 16 tasks insert on and on, each id once, while fn(count of those that are done) does harm.
  local function under_load(one, options, fn)
    local said, last, done, is_over, workers = {}, 0, 0, false, {}
    for i = 1, 16 do
      workers[i] = task(function()
        while not is_over do
          last = last + 1
          local id = last
          local changed, err = one:exec(options, insert, id)
          said[id] = changed and "ok" or err.outcome
          done = done + (changed and 1 or 0)
          if err and err.code == "constraint" then error(err) end
        end
      end)
    end
    fn(function() return done end)
    is_over = true
    for i = 1, 16 do workers[i]:join() end
    return compare(said)
  end

  it("repeat by themselves, one by one, what may be repeated", function()
    local one = declared.use(declare("sharing_ended", "pipeline = 16, pool = { max = 2 }"), declared.unguarded)
    local count = under_load(one, { idempotent = true, deadline = "10s" }, function(done)
      for _ = 1, 10 do
        local enough = done() + 100
        clock.eventually("some are done", function() return done() >= enough end)
        server:psql "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'nebula sharing_ended'"
      end
    end)
    assert.is_true(count.ok > 1000)
    assert.is_true(declared.inspect(one).retries > 0)
  end)

  it("agree with what the server has, wherever they are cut off", function()
    local network = proxy.start(server)
    local one = declared.use(declare("sharing_cut", 'pipeline = 8, pool = { max = 2, connect = "1s" }', network.port), declared.unguarded)
    local count = under_load(one, { idempotent = true, deadline = "300ms" }, function(done)
      for round = 1, 25 do
        local enough = done() + 20 + round
        clock.eventually("some are done", function() return done() >= enough end)
        if round % 5 == 0 then
          network:tell("blackhole", "down")
          clock.pause(350)
          network:tell "pass"
        end
        network:tell "cut"
      end
    end)
    assert.is_true(count.ok > 500)
    assert.is_true(count.in_doubt > 0)
    network:stop()
  end)

  it("are answered at their deadlines by a server that says nothing, and served when it speaks again", function()
    local one = declared.use(declare("sharing_frozen", "pipeline = 8, pool = { max = 1 }"), declared.unguarded)
    assert.equal(1, one:value "select 1")
    server:freeze()
    local tasks, begun, unserved_before = {}, clock.now(), unserved.thread "/proc/self"
    for i = 1, 8 do
      tasks[i] = task(function()
        local _, err = one:value({ deadline = ("%dms"):format(50 * i) }, "select 1")
        return { err.code, clock.now() - begun, unserved.thread "/proc/self" - unserved_before }
      end)
    end
    for i = 1, 8 do
      local code, took, others = unpack(tasks[i]:join())
      assert.equal("deadline", code)
      assert.is_true(took >= 50 * i - 2 and took - others < 50 * i + 150, ("%d ms for %d"):format(took, 50 * i))
    end
    server:thaw()
    clock.eventually("it serves", function() return one:value "select 7" == 7 end)
  end)
end)
