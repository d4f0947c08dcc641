-- contract.lua - what every SQL kind promises, run on a real database. A kind's spec calls this with itself:
--
--   prefix      names of its resources begin with it
--   declare     function(name, settings): the text of a declaration on the database of the spec
--   serial      words of a column that numbers its rows
--   bytes       its type for bytes
--   writing     options for a lease that may write
--   slow        a query that takes longer than anybody waits
--   slow_ends   how such a query ends when nobody waits any more: failed where it is certain that it did nothing
--   breaks_in_the_middle  a query that fails after its first rows
--   unopenable  settings with which no connection opens, and the code and action of the error
--   dirty       list of { words that change a session, query that tells, its answer in a clean one }
--   end_session function(), where a server can do that: ends the sessions that run slow_write, a statement that
--               takes two seconds, or slow_read, a query that says 1 after as long; true when there was one
local assert = require "luassert"
local busted = require "busted"
local declared = require "spec.kinds.declared"
local errors = require "nebula.error"

local parts = { "verbs", "bounds", "stream", "session", "transaction", "operating" }

-- What the parts share: the common resource `db` with its table t, empty before each test.
local function ground(kind)
  local on, count, before = {}, 0, nil

  ---A resource of its own, for what the common one should not suffer.
  function on.fresh(settings)
    count = count + 1
    return declared.use(kind.declare(("%s_%d"):format(kind.prefix, count), settings or "pool = { max = 2 }"))
  end

  function on.rows() return on.db:value "select count(*) from t" end

  ---What a verb returned is this error.
  function on.fails(code, outcome, result, err)
    assert.is_nil(result)
    assert.truthy(errors.is(err), tostring(err))
    assert.equal(code, err.code, tostring(err))
    assert.equal(outcome, err.outcome, tostring(err))
    return err
  end

  ---fn raises a text that matches.
  function on.raises(pattern, fn)
    local ok, message = pcall(fn)
    assert.is_false(ok)
    assert.matches(pattern, tostring(message))
  end

  busted.setup(function()
    on.db = declared.use(kind.declare(kind.prefix, "pool = { max = 4 }"))
    assert(on.db:exec(("create table t (id %s, a integer unique, b text)"):format(kind.serial)))
  end)

  busted.before_each(function()
    assert(on.db:exec "delete from t")
    before = declared.count()
  end)

  busted.after_each(function()
    collectgarbage()
    declared.is_whole(before)
  end)

  return on
end

return function(kind)
  busted.describe("contract", function()
    local on = ground(kind)
    for _, part in ipairs(parts) do require("spec.kinds.contract." .. part)(kind, on) end
  end)
end
