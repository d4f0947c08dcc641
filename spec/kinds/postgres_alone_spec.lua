-- A stream and a COPY have the connection of their transaction for themselves. Who is in their way, or in whose way
-- they would be, is refused, and nothing that is under way is harmed. limit: 120 s

local clock = require "spec.support.clock"
local copied = require "spec.kinds.copied"
local declared = require "spec.kinds.declared"
local nebula = require "nebula"
local postgres = require "spec.support.postgres"

local server = postgres.start()
local count, fails, raises = copied.count, copied.fails, copied.raises
local task = nebula.task

local ways = {
  copy_in = function(tx) return tx:copy_in("copy t from stdin", "1\tx\n") end,
  copy_out = function(tx)
    return tx:copy_out("copy (select i from generate_series(1, 100000) i left join t on true) to stdout", function() end)
  end,
  stream = function(tx)
    local rows = tx:stream({ window = 1 }, "select i from generate_series(1, 1000) i left join t on true")
    local row, err
    repeat row, err = rows:next() until not row
    return not err or nil, err
  end,
}

describe("in a transaction", function()
  local db

  copied.ground(server)
  setup(function() db = copied.db end)

  -- While fn runs nobody else comes at the table.
  local function while_locked(fn)
    db:with(function(lease)
      assert(lease:exec "begin; lock table t in access exclusive mode")
      fn(function() assert(lease:exec "commit") end)
    end)
  end

  local function is_waited_for()
    clock.eventually("somebody waits for the table", function()
      return server:psql "select count(*) from pg_locks where not granted" == "1"
    end)
  end

  for name, begin in pairs(ways) do
    it(name .. " is refused while another task is in a statement, which is answered", function()
      while_locked(function(unlock)
        assert.equal("alive", db:transaction(function(tx)
          assert(tx:exec(("create type of_%s as enum ('red')"):format(name)))
          local question = ("select 'red'::of_%s from t right join (select 1) x on true"):format(name)
          local other = task(function() return tx:value(question) end)
          is_waited_for()
          raises(name .. ": another task is in a statement of this transaction: join it first", begin, tx)
          unlock()
          assert.equal("red", other:join()) -- for which the server was asked once more
          assert(begin(tx))
          return tx:value "select 'alive'"
        end))
      end)
    end)

    it(name .. " that begins lets nothing else be asked", function()
      while_locked(function(unlock)
        assert.equal("alive", db:transaction(function(tx)
          local other = task(begin, tx)
          is_waited_for()
          raises("a stream is open in this transaction", tx.value, tx, "select 1")
          raises("a stream is open in this transaction", begin, tx)
          unlock()
          assert(other:join())
          return tx:value "select 'alive'"
        end))
      end)
    end)

    it(name .. " that begins ends with the transaction, and leaves its lease", function()
      db:with(function(lease)
        while_locked(function(unlock)
          local is_over, other = false, nil
          local whole = task(function()
            return { lease:transaction(function(tx)
              other = task(function() return { begin(tx) } end)
              is_waited_for()
              is_over = true
              return "done"
            end) }
          end)
          clock.eventually("its function has returned", function() return is_over end)
          unlock()
          local how = name == "copy_in" and "cancelled" or "stale"
          fails(how, "failed", unpack(other:join(), 1, 2))
          local result = whole:join()
          if name == "copy_in" then fails(how, "failed", unpack(result, 1, 2)) else assert.same({ "done" }, result) end
        end)
        assert.equal(0, lease:value "select count(*) from t")
      end)
      assert.equal(0, declared.pool(db).lost)
    end)
  end

  it("a statement that raises is under way no longer", function()
    assert.equal(1, db:transaction(function(tx)
      raises("takes 1 value", tx.value, tx, "select ?")
      return ways.copy_in(tx)
    end))
    assert.equal(1, count())
  end)
end)
