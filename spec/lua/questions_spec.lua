-- The functions in policies of one generation, as a worker has them: found by what declarations say, and breaches told.

local asked = require "spec.support.asked"
local questions = require "nebula.questions"

local KINDS, YES = asked.kinds, asked.yes_or_no

describe("questions of a generation", function()
  local function generation(text, bounds)
    local told = {}
    local given = { sources = { { file = "policies/a.lua", text = "" }, { file = "policies/b.lua", text = text } }, kinds = KINDS,
      tell = function(breach) told[#told + 1] = breach end }
    for name, value in pairs(bounds or {}) do
      given[name] = value
    end
    return assert(questions.open(given)), told
  end

  local function of(name)
    return { kind = "policy", name = name, path = "retry.on", file = "policies/b.lua", line = 1 }
  end

  it("are asked by what declarations say, and breaches are told, each once", function()
    local q, told = generation("policy 'p' { retry = { on = function(e)\n\n return e.n < 1 end } }")
    local on = q:find(of "p", YES)
    assert.equal(on, q:find(of "p", YES))
    assert.is_true(q:ask(on, { n = 0 }))
    assert.is_nil(q:ask(on, { n = "x" }))
    assert.is_nil(q:ask(on, { n = "x" }))
    assert.is_nil(q:ask(on, { n = true }))
    assert.is_nil(q:ask(on, { n = 0 })) -- it is asked no more
    assert.equal(3, #told)
    assert.equal("policies/b.lua:3: retry.on of policy p fails: attempt to compare string with number; the default stands",
      tostring(told[1]))
    assert.same({ 1, 2, 3 }, { told[1].strikes, told[2].strikes, told[3].strikes })
    assert.same({ false, false, true }, { told[1].is_last, told[2].is_last, told[3].is_last })
    assert.equal("policies/b.lua:3: retry.on of policy p fails: attempt to compare boolean with number; the default stands, "
      .. "and from now on", tostring(told[3]))
    assert.same({ "error", "p", "retry.on" }, { told[1].why, told[1].asked.name, told[1].asked.path })
    assert.is_true(q:memory() > 0)
    q:close()
  end)

  it("that are lost are told of once each, at their places", function()
    local lost = 0
    for _ = 1, 20 do
      local q, told = generation([[local names, n = {}, 0 for c = 97, 122 do names[string.char(c)] = true end
policy 'p' { retry = { on = function() n = n + 1 return true end } }
policy(next(names)) {
  on = function() return true end }]])
      local on = q:find(of "p", YES)
      for _ = 1, 3 do q:ask(on, {}) end
      assert.equal("policies/b.lua:2: retry.on of policy p changes what it holds on to, which is not its own; the default "
        .. "stands; the judge begins anew", tostring(told[1]))
      if told[2].why == "lost" then
        lost = lost + 1
        assert.equal(2, #told)
        assert.equal("policies/b.lua:2: retry.on of policy p cannot be asked any more: its file does not say the same each "
          .. "time; the default stands, and from now on", tostring(told[2]))
      end
    end
    assert.is_true(lost > 0)
  end)

  it("expect what was said last", function()
    local q, told = generation("policy 'p' { retry = { on = function() return 5 end } }")
    assert.is_nil(q:ask(q:find(of "p", YES), {}))
    assert.equal(5, q:ask(q:find(of "p", { type = "number" }), {}))
    assert.equal(1, #told)
  end)

  it("show nothing of a secret or a terminal", function()
    local q, told = generation("policy 'p' { retry = { on = function(e) error(e.text, 0) end } }")
    q:ask(q:find(of "p", YES), { text = "postgres://u:hunter2@db \27[31m password=hunter2" })
    assert.is_nil(tostring(told[1]):find("hunter2"))
    assert.is_nil(tostring(told[1]):find("\27"))
  end)

  it("have the bounds that they are given", function()
    local loop = "policy 'p' { retry = { on = function(e) for _ = 1, e.n do end return true end } }"
    for bound, text in pairs { steps = "more than 50 steps", time_us = "more than 50 us" } do
      local q, told = generation(loop, { [bound] = 50, strikes = 1 })
      assert.is_true(q:ask(q:find(of "p", YES), { n = 1 }))
      assert.is_nil(q:ask(q:find(of "p", YES), { n = 99000 }))
      assert.is_not_nil(told[1].text:find(text, 1, true), told[1].text)
      assert.is_true(told[1].is_last)
    end
    local q, told = generation("policy 'p' { retry = { on = function() local _ = ('x'):rep(20000) return true end } }",
      { memory = 10000 })
    assert.is_nil(q:ask(q:find(of "p", YES), {}))
    assert.equal("takes more than 10000 bytes, or 32768 in one piece", told[1].text)
    for _, wrong in ipairs { -1, 2 ^ 31, 0 / 0, "x" } do
      assert.has_error(function() generation(loop, { steps = wrong }) end)
    end
  end)

  it("that cannot be opened say where", function()
    local q, why = questions.open { sources = { { file = "policies/a.lua", text = "\n x = 1" } }, kinds = KINDS, tell = print }
    assert.is_nil(q)
    assert.equal("policies/a.lua:2:1: x cannot be set: the names of a file are its own, say local", why)
  end)

  it("that are not there are a mistake", function()
    local q = generation("")
    assert.has_error(function() q:find(of "p", YES) end)
  end)
end)
