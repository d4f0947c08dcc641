-- copied.lua - what the specs of COPY share: a server, a table t (a int, b text), empty before each test, and words for
-- what must come of it.
local assert = require "luassert"
local busted = require "busted"
local declared = require "spec.kinds.declared"
local errors = require "nebula.error"

local copied = { from_stdin = "copy t from stdin", to_stdout = "copy t to stdout" }

---A declaration on the server, or on the way to it at another port.
---@return string
function copied.declare(name, settings, port)
  return ([[postgres %q { host = %q, port = %d, dbname = %q, user = %q, password = %q, %s }]]):format(name, copied.server.host,
    port or copied.server.port, copied.server.dbname, copied.server.user, copied.server.password, settings)
end

---What a method returned is this error.
---@return nebula.Error
function copied.fails(code, outcome, result, err)
  assert.is_nil(result)
  assert.truthy(errors.is(err), tostring(err))
  assert.equal(code, err.code, tostring(err))
  assert.equal(outcome, err.outcome, tostring(err))
  return err
end

---fn raises a text that matches.
function copied.raises(pattern, fn, ...)
  local ok, why = pcall(fn, ...)
  assert.is_false(ok)
  assert.matches(pattern, tostring(why))
end

function copied.count() return copied.db:value "select count(*) from t" end

---To be called where the tests are: db has the table, and each test leaves everything whole.
---@param server spec.postgres
function copied.ground(server)
  local before
  copied.server = server

  busted.setup(function()
    copied.db = declared.use(copied.declare("copy", "pool = { max = 3 }"))
    assert(copied.db:exec "create table t (a int, b text)")
  end)

  busted.before_each(function()
    assert(copied.db:exec "truncate t")
    before = declared.count()
  end)

  busted.after_each(function() declared.is_whole(before) end)
end

return copied
