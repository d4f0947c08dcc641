-- COPY from stdin that does not come to its end: nothing of it is done, and the pool is whole. limit: 300 s

local clock = require "spec.support.clock"
local copied = require "spec.kinds.copied"
local declared = require "spec.kinds.declared"
local process = require "spec.support.process"
local postgres = require "spec.support.postgres"
local proxy = require "spec.support.proxy"

local server = postgres.start()
local count, declare, fails = copied.count, copied.declare, copied.fails
local from_stdin = copied.from_stdin

describe("copy_in in the middle", function()
  local db

  copied.ground(server)
  setup(function() db = copied.db end)

  -- A backend that gets no processor while fn runs.
  local function while_stopped(pid, fn)
    process.signal(pid, "STOP")
    local ok, why = pcall(fn)
    process.signal(pid, "CONT")
    if not ok then error(why, 0) end
  end

  local function pid_of(words)
    return tonumber(clock.eventually(words .. " runs", function()
      local pid = server:psql(("select pid from pg_stat_activity where query = '%s' and state = 'active'"):format(words))
      return pid ~= "" and pid
    end))
  end

  it("is given up by close, by whoever forgets it, by release, and by the end of its task", function()
    local one = declared.use(declare("copy_left", "pool = { max = 1 }"))
    local function begin(on)
      local copy = assert(on:copy_in(from_stdin))
      assert(copy:push(("1\tx\n"):rep(50000)))
      return copy
    end
    local pid = one:value "select pg_backend_pid()"
    local closed = begin(one)
    assert.is_true(closed:close())
    assert.is_true(closed:close())
    fails("cancelled", "failed", closed:push "2\tx\n")
    fails("cancelled", "failed", closed:finish())
    assert.equal(pid, one:value "select pg_backend_pid()")
    begin(one)
    assert.equal(pid, one:value "select pg_backend_pid()") -- who waits has the collector run
    task(function() begin(one) end):join()
    assert.equal(pid, one:value "select pg_backend_pid()")
    local lease = assert(one:lease())
    local copy = begin(lease)
    assert(lease:release())
    assert.equal(pid, one:value "select pg_backend_pid()")
    fails("stale", "failed", copy:finish())
    assert.equal(0, count())
    assert.equal(0, declared.pool(one).lost)
  end)

  it("asks for no more input than the server takes", function()
    local given, is_done = 0, false
    local work = task(function()
      local rows = db:copy_in(from_stdin, function()
        given = given + 1
        return given <= 200 and "1\t" .. ("x"):rep(1000000) .. "\n" or nil
      end)
      is_done = true
      return rows
    end)
    while_stopped(pid_of(from_stdin), function()
      local last
      clock.eventually("it stands still", function()
        local now = given
        clock.pause(100)
        last, now = now, last
        return last == now and last > 0
      end)
      assert.is_false(is_done)
      assert.truthy(given < 50, given)
    end)
    assert.equal(200, work:join())
    assert.equal(200, count())
  end)

  it("ends at its deadline, at that of its task and when its task is cancelled: nothing is done", function()
    local function input() return "1\t" .. ("x"):rep(1000000) .. "\n" end
    local function slow_input()
      sleep "20ms"
      return "1\tx\n"
    end
    local begun = clock.now()
    fails("deadline", "failed", db:copy_in({ deadline = "150ms" }, from_stdin, input))
    fails("deadline", "failed", db:copy_in({ deadline = "150ms" }, from_stdin, slow_input))
    fails("deadline", "failed", db:copy_in({ deadline = "0s" }, from_stdin, slow_input))
    fails("deadline", "failed", deadline("150ms", function() return db:copy_in(from_stdin, input) end))
    assert.truthy(clock.now() - begun < 3000)
    local got
    local work = task(function() got = { db:copy_in(from_stdin, input) } end)
    clock.pause(50)
    work:cancel()
    work:join()
    fails("cancelled", "failed", unpack(got, 1, 2))
    assert.equal(0, count())
  end)

  it("has all of its deadline, whatever the policy gives a step", function()
    local one = declared.use(declare("copy_slow", 'pool = { max = 1 }, policy = "cache"')) -- 250 ms
    clock.eventually("it is connected", function() return one:value "select 1" == 1 end)
    assert(one:exec({ deadline = "5s" }, [[drop table if exists slow; create table slow (a int);
      create or replace function doze() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.4); return null; end $$;
      create trigger t after insert on slow for each statement execute function doze()]]))
    assert.equal(1, one:copy_in({ deadline = "10s" }, "copy slow from stdin", "1\n"))
    fails("deadline", "in_doubt", one:copy_in("copy slow from stdin", "1\n"))
  end)

  it("is in doubt when the answer to its end is lost, and only then", function()
    local network = proxy.start(server)
    local far = declared.use(declare("copy_far", "pool = { max = 1 }", network.port))
    local copy = assert(far:copy_in(from_stdin))
    assert(copy:push "1\tx\n")
    network:tell("blackhole", "down")
    local work = task(function() return { copy:finish() } end)
    clock.eventually("it is done", function() return count() == 1 end)
    network:tell "cut"
    network:tell "pass"
    fails("lost", "in_doubt", unpack(work:join(), 1, 2))
    copy = assert(far:copy_in(from_stdin))
    assert(copy:push(("2\tx\n"):rep(100000)))
    network:tell "cut"
    network:tell "pass"
    clock.eventually("it is gone", function() return declared.inspect(far).open == 0 end)
    fails("lost", "failed", copy:push(("2\tx\n"):rep(100000)))
    fails("lost", "failed", copy:finish())
    assert.equal(1, far:copy_in(from_stdin, "3\tx\n"))
    assert.same({ { a = 1 }, { a = 3 } }, db:query "select a from t order by a")
    network:stop()
  end)
end)
