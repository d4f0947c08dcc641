-- What a transaction that may be run again touches beside its tx is seen, and then it is not.

local assert = require "luassert"
local declared = require "spec.kinds.declared"
local lose = require "spec.kinds.losing"
local postgres = require "spec.support.postgres"

local SERIALIZABLE = { isolation = "serializable", retry = true }

describe("a transaction that may be run again", function()
  local server, db, losing, before

  setup(function()
    server = postgres.start()
    db, losing = lose.pool_on(server, lose.PLENTY), lose.always(server)
    assert(db:exec "create table n (a int); create table moved (id int); insert into n values (0)")
    before = declared.count()
  end)

  after_each(function() declared.is_whole(before) end)

  it("is not when its function touched something else, and the error says what", function()
    local other = lose.pool_on(server, lose.PLENTY)
    local ch = channel(100)
    local child = task(sleep, "1h")
    local rows = other:stream({ window = 1 }, "select generate_series(1, 10) g")
    rows:next()
    local buffered = other:stream "select generate_series(1, 10) g"
    buffered:next()
    local lines = other:copy_out({ rows = true }, "copy (select generate_series(1, 10)) to stdout")
    lines:next()
    local input = assert(other:copy_in "copy moved from stdin")
    local listener = assert(other:listen "n")
    local ways = {
      [other.name] = function() assert(other:value "select 1") end,
      [db.name] = function() assert(db:value "select 1") end,
      ["another task"] = function() task(function() end):join() end,
      ["a channel"] = function() ch:send(1) end,
      ["defer()"] = function() defer(function() end) end,
      ["cancel()"] = function() child:cancel() end,
    }
    local more = {
      function() for_each({ 1 }, function() return 1 end) end, "another task",
      function() other:pause() other:resume() end, other.name,
      function() other:with(function(lease) return lease:value "select 1" end) end, other.name,
      function() other:transaction({ retry = true }, function(tx) return tx:value "select 1" end) end, other.name,
      function() rows:next() end, other.name,
      function() buffered:next() end, other.name,
      function() lines:next() end, other.name,
      function() input:push "1\n" end, other.name,
      function() require("nebula").select({ fail_fast = true }, ch) end, "a channel",
      function() ch:close() end, "a channel",
      function() listener:next "1ms" end, "a listener",
      function(tx) assert(tx:copy_out("copy n to stdout", assert(io.open("/dev/null", "w")))) end, "a file",
    }
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local function copy(tx)
      assert(tx:copy_in("copy moved from stdin", assert(io.open(path))))
    end
    local function refused(what, fn)
      local runs = 0
      lose.gives_up("40001", "; not run again: its function also used " .. what .. ", outside of its tx",
        db:transaction(SERIALIZABLE, function(tx)
          runs = runs + 1
          fn(tx)
          return losing(tx)
        end))
      assert.equal(1, runs)
    end
    task(refused, "a file", copy):join()
    for what, fn in pairs(ways) do task(refused, what, fn):join() end
    for i = 1, #more, 2 do task(refused, more[i + 1], more[i]):join() end
    for _, one in ipairs { rows, buffered, lines, input, listener } do one:close() end
    child:join()
    local harmless = lose.adding(server, 1)
    assert.equal(2, db:transaction(SERIALIZABLE, function(tx) -- and nothing of that is left
      for _ in tx:stream "select generate_series(1, 3)" do end
      for _ in tx:copy_out "copy n to stdout" do end
      assert(tx:copy_in("copy moved from stdin", "1\n"))
      assert(sleep "1ms")
      deadline("1s", log.debug, "harmless")
      return harmless(tx)
    end))
  end)
end)
