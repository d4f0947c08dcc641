-- COPY on leases and in transactions, its progress, and what cannot be meant.

local clock = require "spec.support.clock"
local copied = require "spec.kinds.copied"
local declared = require "spec.kinds.declared"
local errors = require "nebula.error"
local postgres = require "spec.support.postgres"
local tmp = require "spec.support.tmp"

local server = postgres.start()
local count, fails, raises = copied.count, copied.fails, copied.raises
local from_stdin, to_stdout = copied.from_stdin, copied.to_stdout

describe("COPY", function()
  local db

  copied.ground(server)
  setup(function() db = copied.db end)

  it("tells how far it is, now and then and at the end", function()
    local told = {}
    local function progress(rows, bytes) told[#told + 1] = { rows, bytes } end
    local at, begun = 0, clock.now()
    assert.equal(40, db:copy_in({ progress = progress }, from_stdin, function()
      at = at + 1
      sleep "20ms"
      return at <= 40 and "1\t" .. ("x"):rep(65536) .. "\n" or nil
    end))
    assert.truthy(#told >= 2 and #told <= 2 + (clock.now() - begun) / 250, #told) -- each quarter of a second, and at the end
    assert.same({ 40, 40 * 65539 }, told[#told])
    for i = 2, #told do assert.truthy(told[i][1] >= told[i - 1][1] and told[i][2] >= told[i - 1][2]) end
    told = {}
    assert.equal(40, db:copy_out({ progress = progress }, to_stdout, function() end))
    assert.same({ { 40, 40 * 65539 } }, { told[#told] })
  end)

  it("has a deadline, also for what its source or its sink waits for", function()
    local short = { deadline = "100ms" }
    local function slow() return sleep "1h" and "1\tx\n" or "2\tx\n" end
    assert(db:exec "insert into t select generate_series(1, 20000)")
    db:with(function(lease)
      for _, on in ipairs { db, lease } do
        fails("deadline", "failed", on:copy_in(short, from_stdin, slow))
        fails("deadline", "failed", on:copy_in(short, from_stdin, function() return sleep "1h" end))
        fails("deadline", "failed", on:copy_out(short, to_stdout, function() sleep "1h" end))
        assert.equal(20000, on:value "select count(*) from t")
      end
    end)
  end)

  it("takes a channel until it is closed", function()
    local lines = channel(10)
    for i = 1, 3 do lines:send { i, "x" } end
    task(function() sleep "10ms" lines:close() end)
    assert.equal(3, db:copy_in(from_stdin, lines))
    fails("deadline", "failed", db:copy_in({ deadline = "50ms" }, from_stdin, channel(1)))
    assert.equal(3, count())
  end)

  it("on a lease has it for itself, and leaves it as it was", function()
    db:with(function(lease)
      local copy = assert(lease:copy_in(from_stdin))
      raises("a stream is open", function() lease:query "select 1" end)
      raises("a stream is open", function() lease:copy_in(from_stdin, "") end)
      raises("a stream is open", function() lease:copy_out(to_stdout, function() end) end)
      raises("a stream is open", function() lease:query "select 1" end)
      assert(copy:push "1\tx\n")
      assert.equal(1, copy:finish())
      assert(assert(lease:copy_in(from_stdin)):close())
      assert.equal(1, lease:value "select count(*) from t")
      local out = lease:copy_out "copy (select repeat('x', 9999) from generate_series(1, 2000)) to stdout"
      assert(out:next())
      raises("a stream is open", function() lease:query "select 1" end)
      assert(out:close())
      assert.equal(1, lease:value "select count(*) from t")
      raises("a lease has its role already", function() lease:copy_in({ role = "primary" }, from_stdin, "") end)
      fails("query", "failed", lease:copy_in(from_stdin, "no row\n"))
      raises("so be it", function() lease:copy_in(from_stdin, function() error "so be it" end) end)
      assert.equal(1, lease:value "select count(*) from t")
    end)
  end)

  describe("belongs to one task at a time", function()
    local function busy(doing, who)
      return ("%s: %s task is in %s: one at a time"):format(doing, who, "%w+")
    end

    it("and nothing of a push is lost or doubled", function()
      local copy, refused = assert(db:copy_in(from_stdin)), 0
      local function pusher(from)
        for i = from, from + 3999 do
          local ok, why = pcall(copy.push, copy, { i, ("x"):rep(99) })
          while not ok do
            refused = refused + 1
            assert.matches(busy("push", "another"), tostring(why))
            sleep "1ms"
            ok, why = pcall(copy.push, copy, { i, ("x"):rep(99) })
          end
        end
      end
      local both = { task(pusher, 1), task(pusher, 4001) }
      for _, one in ipairs(both) do one:join() end
      assert.equal(8000, copy:finish())
      assert.truthy(refused > 0)
      assert.equal(8000, db:value "select count(distinct a) from t")
    end)

    it("whatever the other one wants of it", function()
      assert(db:exec "insert into t select generate_series(1, 20000)")
      local slow = "select a, pg_sleep(0.5 * (a % 2)) from generate_series(1, 2) a"
      for _, one in ipairs { db:copy_out(("copy (%s) to stdout"):format(slow)), db:stream({ window = 1 }, slow) } do
        local reader = task(function() return one:next() end)
        sleep "10ms"
        raises(busy("next", "another"), one.next, one)
        raises(busy("close", "another"), one.close, one)
        assert.truthy(reader:join())
        assert(one:close())
      end
    end)

    it("also what its own progress wants of it", function()
      local out, input
      out = db:copy_out({ progress = function() out:close() end }, to_stdout)
      raises(busy("close", "this"), out.next, out)
      assert(out:close())
      input = assert(db:copy_in({ progress = function() input:push "2\tx\n" end }, from_stdin))
      assert(input:push "1\tx\n")
      raises(busy("push", "this"), input.finish, input)
      assert(input:close())
      assert.equal(0, count())
    end)

    it("and ends with the transaction, whoever is in it", function()
      for _, open in ipairs { "copy_out", "stream" } do
        local reader
        db:transaction(function(tx)
          local slow = "select pg_sleep(0.5)"
          local one = tx[open](tx, open == "stream" and slow or ("copy (%s) to stdout"):format(slow))
          reader = task(function() return one:next() end)
          sleep "10ms"
        end)
        assert.is_nil((reader:join()))
      end
    end)
  end)

  describe("in a transaction", function()
    it("happens with it or not at all", function()
      assert.equal(2, db:transaction(function(tx)
        assert(tx:exec "insert into t values (0)")
        assert.equal(1, tx:copy_in(from_stdin, "1\tx\n"))
        local lines = {}
        assert.equal(2, tx:copy_out(to_stdout, function(chunk) lines[#lines + 1] = chunk end))
        assert.equal("0\t\\N\n1\tx\n", table.concat(lines))
        return tx:value "select count(*) from t"
      end))
      db:transaction(function(tx)
        assert.equal(1, tx:copy_in(from_stdin, "1\tx\n"))
        return nil, "no"
      end)
      assert.equal(2, count())
    end)

    it("poisons it when it fails, also when it is given up, but for a savepoint", function()
      for _, fail in ipairs {
        function(tx) return tx:copy_in(from_stdin, "no row\n") end,
        function(tx) return tx:copy_in(from_stdin, function() return nil, errors.new("storage", "ask", "failed", "torn") end) end,
        function(tx) assert(tx:copy_in(from_stdin)):close() end,
        function(tx) assert(tx:copy_in(from_stdin)) end,
        function(tx) return tx:copy_out("copy nothing to stdout", function() end) end,
      } do
        local result, err = db:transaction(function(tx)
          assert(tx:exec "insert into t values (0)")
          fail(tx)
          return "done"
        end)
        assert.is_nil(result)
        assert.equal("failed", err.outcome)
        assert.equal("done", db:transaction(function(tx)
          assert(tx:exec "insert into t values (5)")
          tx:savepoint(function() fail(tx) end)
          assert(tx:exec "delete from t")
          return "done"
        end))
      end
      assert.equal(0, count())
    end)

    it("does not look whole after its end to who reads on", function()
      assert(db:exec "insert into t select generate_series(1, 20000)")
      local binary, rows = "copy t to stdout (format binary)", { rows = true }
      for _, open in ipairs {
        function(on) return on:copy_out(to_stdout) end,
        function(on) return on:copy_out(rows, binary) end,
        function(on) return on:stream "select a from t" end,
      } do
        for _, reads in ipairs { 0, 1 } do
          local function begin(on)
            local one = open(on)
            for _ = 1, reads do assert(one:next()) end
            return one
          end
          local one = db:transaction(begin)
          fails("stale", "failed", one:next())
          raises("before it was read to its end", one)
          one = begin(db)
          assert(one:close())
          fails("stale", "failed", one:next())
          assert(one:close())
          assert.is_nil(one()) -- a loop of whoever closed it ends
        end
      end
      fails("stale", "failed", db:copy_in(from_stdin, db:transaction(function(tx) return tx:copy_out(to_stdout) end)))
      assert.equal(20000, count())
      local whole = db:stream "select 1"
      assert(whole:next())
      assert(whole:close())
      assert.same({}, { whole:next() })
    end)

    it("lets nothing else be asked meanwhile", function()
      assert.equal(1, db:transaction(function(tx)
        local copy = assert(tx:copy_in(from_stdin))
        raises("a stream is open in this transaction", function() tx:query "select 1" end)
        assert(copy:push "1\tx\n")
        assert.equal(1, copy:finish())
        local out = tx:copy_out(to_stdout)
        raises("a stream is open in this transaction", function() tx:query "select 1" end)
        assert.equal("1\tx\n", out:next())
        return tx:value "select count(*) from t"
      end))
    end)
  end)

  it("raises what cannot be meant", function()
    local sqlite = declared.use(('sqlite "copy_none" { file = %q, pool = { max = 1 } }'):format(tmp.folder() .. "/x.db"))
    for pattern, fn in pairs {
      ["copy_in: the kind sqlite has no COPY"] = function() sqlite:copy_in(from_stdin, "") end,
      ['copy_in takes a statement "copy %.%.%. from stdin"'] = function() db:copy_in("t", "") end,
      ['copy_in takes a statement .* in: copy t to stdout'] = function() db:copy_in(to_stdout, "") end,
      ['copy_out takes a statement "copy %.%.%. to stdout"'] = function() db:copy_out("copy t to '/tmp/t'") end,
      ["takes one statement"] = function() db:copy_out("copy t to stdout; copy t to stdout") end,
      ["no values"] = function() db:copy_in("copy t from stdin where a > ?", "") end,
      ["copy_in: the source is .* not nil %(.*No such file"] = function() db:copy_in(from_stdin, io.open "nowhere") end,
      ["the source is a table that is neither a list"] = function() db:copy_in(from_stdin, { a = 1, b = "x" }) end,
      ["a row has 3 values, and the option columns 2 names"] = function()
        db:copy_in({ columns = { "a", "b" } }, from_stdin, { { 1, "x", "lost" } })
      end,
      ["a row has 2 values, and the option columns 1 names"] = function()
        db:copy_in({ columns = { "a" } }, "copy t (a) from stdin binary", { { 1, 2 } })
      end,
      ["copy_in: the option columns is a list of names"] = function() db:copy_in({ columns = { a = "a" } }, from_stdin, "") end,
      ["copy_out: the option columns is a list of names"] = function() db:copy_out({ columns = { "a", 2 } }, to_stdout) end,
      ["copy_in: the source is .* not number"] = function() db:copy_in(from_stdin, 7) end,
      ["close: this is no COPY; call it with a colon"] = function() db:copy_out(to_stdout).close "x" end,
      ["push: this is no COPY; call it with a colon"] = function()
        local input = assert(db:copy_in(from_stdin))
        local _, complaint = pcall(input.push, "1\n")
        input:close()
        error(complaint, 0)
      end,
      ["copy_out: the sink is .* not nil"] = function() db:copy_out(to_stdout, nil) end,
      ["copy_out: a file takes chunks"] = function() db:copy_out({ rows = true }, to_stdout, io.stderr) end,
      ["no option colums; did you mean"] = function() db:copy_in({ colums = {} }, from_stdin, "") end,
      ["binary rows are announced"] = function() db:copy_in("copy t from stdin binary", { { 1, "x" } }) end,
      ["rows were announced, and a string is none"] = function()
        db:copy_in({ rows = true }, "copy t from stdin binary", "x")
      end,
      ["leave out header"] = function() db:copy_in({ columns = { "a" } }, "copy t from stdin csv header", "") end,
      ["leave out delimiter"] = function() db:copy_in("copy t from stdin (delimiter ';')", { { 1, 2 } }) end,
      ["bytes are a string, a row is a table"] = function() db:copy_in(from_stdin, { 7 }) end,
      ["stream: COPY has no rows but lines: use copy_out%(%)"] = function() db:stream(to_stdout) end,
      ["use copy_in%(%)"] = function() db:stream(from_stdin) end,
    } do
      raises(pattern, fn)
    end
    assert.equal(0, count())
  end)
end)
