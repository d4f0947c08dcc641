-- What is shown of a resource whose calls are balanced over its endpoints.

local balance = require "nebula.cli.balance"
local declared = require "spec.kinds.declared"
local json = require "cjson"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

-- What fn prints, a list of lines.
local function printed(fn, ...)
  local lines, before = {}, print
  _G.print = function(text) lines[#lines + 1] = text or "" end
  local ok, err = pcall(fn, ...)
  _G.print = before
  assert(ok, err)
  return lines
end

describe("a declared balance", function()
  local folder = tmp.folder()
  tmp.write(folder, "resources/reads.lua", [[
    postgres "reads" { host = "a,b,c", balance = "p2c", eject = { most = "34%", time = "10s" }, slow_start = "2m" }
    postgres "short" { host = "a,b", balance = "p2c", eject = { time_most = "10s" } }
    postgres "calm" { host = "a,b", balance = "sticky", eject = { consecutive = 0, success = { factor = 0, endpoints = 2 } } }]])

  it("is shown from the files, in words and in the JSON that an engine tells", function()
    local said = program.ended(0, program.nebula("inspect", "reads", "--dir", folder)).output
    program.says("balance      p2c, slow start 2m\n", said)
    program.says("eject        5 failures in a row, or 1.9 deviations below the others (100 calls in 10s, 5 endpoints): "
      .. "for 10s, then up to 5m; at most 34 %, and below 50 % all are used\n", said)
    local told = json.decode(program.ended(0, program.nebula("inspect", "reads", "--dir", folder, "--json")).output)
    assert.same({ rule = "p2c", consecutive = 5, factor = 1.9, calls = 100, endpoints = 5, window = 10, most = 0.34,
      time = 10, time_most = 300, panic = 0.5, slow_start = 120 }, told.balance)
    said = program.ended(0, program.nebula("inspect", "calm", "--dir", folder)).output
    program.says("balance      sticky, slow start never\n", said)
    program.says("eject        never\n", said)
    said = program.ended(0, program.nebula("inspect", "short", "--dir", folder)).output
    program.says("for 10s, then up to 10s;", said)
  end)

  it("that names the longest time alone is taken by the engine too", function()
    program.ended(0, program.nebula("run", "--dir", folder, tmp.write(folder, "flow.lua", "use 'short'")))
  end)
end)

describe("a balance", function()
  it("is refused where it cannot be meant", function()
    local rows = {
      { "host = 'a', balance = 'p2c'", "balance: not in force here: it has one endpoint" },
      { "host = 'a,b', balance = 'pc2'", 'balance: "pc2" is not possible here; did you mean "p2c"' },
      { "host = 'a,b', eject = { consecutive = 2 }", "eject: counts only beside a balance" },
      { "host = 'a,b', slow_start = '1s'", "slow_start: counts only beside a balance" },
      { "host = 'a,b,c', balance = 'p2c', pool = { max = 2 }", "balance: each of its 3 endpoints needs a connection" },
      { "host = 'a,b', balance = 'p2c', eject = { most = '101%' }", "eject.most: is no share" },
      { "host = 'a,b', balance = 'p2c', eject = { most = 1.01 }", "eject.most: is no share" },
      { "host = 'a,b,c', balance = 'p2c', eject = { most = '33%' }",
        "eject.most: 33 %% of 3 endpoints is none, so none is ever ejected" },
      { "host = 'a,b', balance = 'p2c', eject = { most = 0 }", "eject.most: 0 %% of 2 endpoints is none" },
      { "host = 'a,b', balance = 'p2c', eject = { panic = 'half' }", "eject.panic: expected a share" },
      { "host = 'a,b', balance = 'p2c', eject = { consecutive = 1.5 }", "eject.consecutive: 1.5 is no whole number" },
      { "host = 'a,b', balance = 'p2c', eject = { time = '1h' }", "eject.time: is more than time_most, which is 5m" },
      { "host = 'a,b', balance = 'p2c', eject = { time = '0s' }", "eject.time: is less than 100ms" },
      { "host = 'a,b,c', balance = 'p2c', eject = { success = { factor = 1 } }", "never compared" },
      { "host = 'a,b,c', balance = 'p2c', eject = { success = { factor = 1.5, endpoints = 3 } }",
        "one of 3 endpoints is never more than 1.41 deviations away" },
    }
    for _, row in ipairs(rows) do
      assert.matches(row[2], declared.complaints(('postgres "wrong" { %s }'):format(row[1])))
    end
    assert.matches("balance: not in force here", declared.complaints 'sqlite "wrong" { file = "x", balance = "p2c" }')
    assert.equal("", declared.complaints [[postgres "right" { host = 'a,b,c', balance = 'sticky', slow_start = '0s',
      eject = { most = 1 / 3, panic = '0%', success = { factor = 1.3, endpoints = 3, calls = 10, window = '5s' } } }]])
  end)
end)

describe("a circuit for each endpoint", function()
  local POLICIES = {
    each = 'return policy "each" { circuit = { per = "endpoint" } }', plain = 'return policy "plain" { circuit = {} }',
  }

  it("is taken where calls are balanced", function()
    local one = declared.use([[
      postgres "each_one" { host = "a,b", balance = "p2c", policy = "each", operations = { pay = { policy = "each", apart = true } } }
      postgres "plain_one" { host = "a,b", policy = "plain", operations = { pay = "each", free = { policy = "plain", apart = true } } }
    ]], POLICIES)
    assert.equal("endpoint", declared.inspect(one).rules.circuit.per)
  end)

  it("is refused elsewhere, with what to do", function()
    local rows = {
      { 'postgres "a" { host = "a,b", policy = "each" }',
        'a.policy: the policy "each" has a circuit per endpoint, which needs calls that are spread over them: say '
          .. 'balance = "p2c" here, or circuit = { per = "resource" } there' },
      { 'postgres "a" { host = "a", policy = "each" }',
        'a.policy: the policy "each" has a circuit per endpoint, which needs several of them, or circuit = '
          .. '{ per = "resource" } there' },
      { 'sqlite "a" { file = "f", operations = { pay = { policy = "each", apart = true } } }',
        'a.operations.pay: the policy "each" has a circuit per endpoint, which needs several of them' },
    }
    for _, row in ipairs(rows) do
      local said = declared.complaints(row[1], POLICIES)
      assert.is_truthy(said:find(row[2], 1, true), said)
    end
  end)
end)

describe("an endpoint", function()
  local function one(changes)
    local o = { endpoint = "a:1", weight = 42, health = 1, success = 0.98, speed = 0.4286, slow_start = 1,
      outstanding = 3, latency = 0.01234, calls = 100, success_rate = 0.975, ejections = 0, ejected_by = "none",
      ejected_for = 0 }
    for name, value in pairs(changes) do o[name] = value end
    return o
  end

  it("is shown with its weight and what that comes from, and why it is ejected", function()
    local lines = printed(balance.show_endpoints, {
      { role = "primary", endpoints = { one {} } }, -- it is not balanced
      { role = "replica", balance = "p2c", panic = true, endpoints = {
        one {}, one { ejections = 2, ejected_by = "success", ejected_for = 12.34, weight = 0 },
        one { ejections = 1, ejected_by = "consecutive" } } } })
    assert.equal(6, #lines)
    program.says("ENDPOINT  ROLE     WEIGHT  HEALTH  SUCCESS  SPEED  SLOW START  OUTSTANDING  LATENCY", lines[2])
    program.says("a:1       replica      42  1.00    0.98     0.43   1.00                  3  12.34ms    100  97.5 %",
      lines[3])
    program.says("12.3s more; 2 times, the last by success", lines[4])
    program.says("no more; once, by consecutive", lines[5])
    program.says("replica: so few endpoints are left that all are used", lines[6])
    assert.same({}, printed(balance.show_endpoints, { { role = "primary", endpoints = { one {} } } }))
  end)
end)
