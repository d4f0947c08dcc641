-- losing.lua - transactions that lose against others, as often as a spec wants.
local assert = require "luassert"
local declared = require "spec.kinds.declared"
local errors = require "nebula.error"

local losing = {}

losing.PLENTY = 'tries = 100, pause = "2ms", pause_max = "20ms", budget = 1, budget_least = 1000000'

local count = 0

---A pool on the server, under a policy whose retries are these.
---@param server spec.postgres
---@param retry string fields of a policy's retry
---@return nebula.Resource
function losing.pool_on(server, retry)
  count = count + 1
  return declared.use(([[
    policy "retry_%d" { like = "standard", call = { deadline = "20s", wait = "20s" }, retry = { %s } }
    postgres "postgres_retry_%d" { host = %q, port = %d, dbname = %q, user = %q, password = %q, policy = "retry_%d",
      pool = { max = 8 } }
  ]]):format(count, retry, count, server.host, server.port, server.dbname, server.user, server.password, count))
end

---Adds 100 to what it read in the table n, and loses its first runs to an update from elsewhere.
---@param server spec.postgres
---@param times integer
---@return fun(tx: nebula.Transaction): integer runs
function losing.adding(server, times)
  local runs = 0
  return function(tx)
    runs = runs + 1
    local a = tx:value "select a from n"
    if runs <= times then server:psql "update n set a = a + 1" end
    local ok, err = tx:exec("update n set a = ?", a + 100)
    if not ok then error(err, 0) end
    return runs
  end
end

---A function that loses each time.
---@param server spec.postgres
---@return fun(tx: nebula.Transaction): nil, nebula.Error
function losing.always(server)
  return function(tx)
    local ok, err = pcall(losing.adding(server, 1), tx)
    return ok or nil, not ok and err or nil
  end
end

---Asserts that a transaction lost for good, and why it was not run again.
function losing.gives_up(state, why, result, err)
  assert.is_nil(result)
  assert.is_true(errors.is(err), tostring(err))
  assert.same({ "conflict", "failed", state }, { err.code, err.outcome, err.state })
  assert.matches(why, tostring(err), 1, true)
end

return losing
