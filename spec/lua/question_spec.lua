-- Functions of policies, asked as a worker asks them: by the names that policies have.

local asked = require "spec.support.asked"
local preludes = require "nebula.declare.preludes"
local question = require "nebula.question"

local open, ask, source_of = asked.open, asked.ask, asked.source_of
local KINDS, YES = asked.kinds, asked.yes_or_no

describe("a question", function()
  it("is found by declaration and path, with its place", function()
    local q = assert(open { "\nsqlite 'a' { classify = function() end, on = { up = function() end,\n down = function() end } }",
      "policy 'b' { retry = { on = tostring }, size = function() return 1 end, [5] = function() end }",
      "for i = 1, 2 do policy('c' .. i) { on = function() end } end policy 'd' { on = 'safe' } policy 'e' (nil)",
      "policy 'f' { a = { b = { c = { d = function() end } } } }" })
    local found = {}
    for i, one in ipairs(q:list()) do
      found[i] = ("%d:%d %s %s %s"):format(one.source, one.line, one.kind, one.name, one.path)
    end
    assert.same({ "1:2 sqlite a classify", "1:3 sqlite a on.down", "1:2 sqlite a on.up", "2:1 policy b 5", "2:1 policy b size",
      "3:1 policy c1 on", "3:1 policy c2 on", "4:1 policy f a.b.c.d" }, found)
  end)

  it("is plain fields, new each time, and is answered by one plain value", function()
    local q = assert(open(source_of {
      "return e.code == 'lost' and e.attempt == 2 and e.share == 0.5 and e.idempotent and not e.sent and e.text == 'a\\0b'",
      "local n = 0 for _ in pairs(e) do n = n + 1 end e.code = nil e.more = e return n == 6",
      "return",
      "return nil",
    }))
    local fields = { code = "lost", attempt = 2, share = 0.5, idempotent = true, sent = false, text = "a\0b" }
    for _ = 1, 3 do
      assert.is_true(ask(q, 1, fields))
      assert.is_true(ask(q, 2, fields))
      assert.is_nil(ask(q, 3, fields))
      assert.is_nil(ask(q, 4, fields))
    end
    assert.equal("lost", fields.code)
  end)

  it("has bounds itself", function()
    local q = assert(open(source_of { "return #e.text == e.n and e.text:find('y', 1, true) == nil" }))
    assert.is_true(ask(q, 1, { text = ("x"):rep(4096), n = 4096 }))
    assert.is_true(ask(q, 1, { text = ("x"):rep(4096) .. "y", n = 4096 }))
    local many = {}
    for i = 1, 30 do many["f" .. i] = i end
    many.text, many.n = "", 0
    assert.is_true(ask(q, 1, many))
    many.one_more = 1
    for _, wrong in ipairs { many, { 1 }, { [true] = 1 }, { t = {} }, { f = print }, "text" } do
      assert.has_error(function() q:ask(1, wrong) end)
    end
    assert.has_error(function() q:ask(0, {}) end)
    assert.has_error(function() q:ask(2, {}) end)
    assert.has_error(function() q:ask(1.5 / 0, {}) end)
    q:close()
    assert.has_error(function() q:ask(1, {}) end)
    q:close()
  end)

  local shapes = {
    { { type = "boolean" }, "true", true }, { { type = "boolean" }, "false", false },
    { { type = "boolean" }, "1", why = "a number, not with true or false" },
    { { type = "boolean" }, "'true'", why = "a string, not with true or false" },
    { { type = "boolean" }, "{}", why = "a table, not with true or false" },
    { { type = "boolean" }, "e", why = "a table, not with true or false" },
    { { type = "boolean" }, "function() end", why = "a function, not with true or false" },
    { { type = "number" }, "1e300", 1e300 }, { { type = "number" }, "-0.5", -0.5 },
    { { type = "number" }, "'1'", why = "a string, not with a number" },
    { { type = "number" }, "0/0", why = "not with a number from" }, { { type = "number" }, "1/0", why = "not with a number from" },
    { { type = "number" }, "-1/0", why = "not with a number from" },
    { { type = "number", min = 0, max = 2 }, "0", 0 }, { { type = "number", min = 0, max = 2 }, "2", 2 },
    { { type = "number", min = 0, max = 2 }, "2.000001", why = "2.000001, not with a number from 0 to 2" },
    { { type = "number", min = 0, max = 2 }, "-1e-9", why = "-1e-09, not with a number from 0 to 2" },
    { { type = "integer", min = 1, max = 5 }, "5", 5 },
    { { type = "integer", min = 1, max = 5 }, "4.5", why = "4.5, not with a whole number from 1 to 5" },
    { { type = "integer", min = 1, max = 5 }, "6", why = "6, not with a whole number" },
    { { type = "share" }, "0", 0 }, { { type = "share" }, "1", 1 }, { { type = "share" }, "1.01", why = "from 0 to 1" },
    { { type = "string", max = 4 }, "'a\\0bc'", "a\0bc" }, { { type = "string", max = 4 }, "''", "" },
    { { type = "string", max = 4 }, "'abcde'", why = "a text of 5 bytes, not with 4 at most" },
    { { type = "string" }, "('x'):rep(4096)", ("x"):rep(4096) }, { { type = "string" }, "('x'):rep(4097)", why = "4096 at most" },
    { { type = "string" }, "5", why = "a number, not with a text" },
    { { type = "enum", one_of = { "a", "bc" } }, "'bc'", "bc" },
    { { type = "enum", one_of = { "a", "bc" } }, "'b'", why = "not with one of those that are possible here" },
    { { type = "enum", one_of = { "a", "bc" } }, "'bc\\0'", why = "not with one of those that are possible here" },
    { { type = "enum", one_of = {} }, "''", why = "not with one of those that are possible here" },
    { { type = "any" }, "false", false }, { { type = "any" }, "-0.5", -0.5 }, { { type = "any" }, "'a\\0b'", "a\0b" },
    { { type = "any" }, "1/0", why = "not with a number from" }, { { type = "any", max = 2 }, "'abc'", why = "not with 2 at most" },
    { { type = "any" }, "assert", why = "a function, not with a plain value" },
  }
  for _, row in ipairs(shapes) do
    it(("of type %s takes or refuses %s"):format(row[1].type, row[2]), function()
      local q = assert(open("policy 'p' { on = function(e) return " .. row[2] .. " end }"))
      q:expect(1, row[1])
      local answer, breach = q:ask(1, {})
      assert.equal(row[3], answer)
      assert.equal(row.why and "shape", breach and breach.why)
      assert.is_true(not row.why or breach.text:find(row.why, 1, true) ~= nil, breach and breach.text)
    end)
  end

  it("may be answered by whatever is plain", function()
    local many = "(function() local t = {} for i = 1, %d do t['k' .. i] = i end return t end)()"
    local cases = {
      { "{}", {} }, { "{ a = 1, b = false, ['c d'] = 'x' }", { a = 1, b = false, ["c d"] = "x" } },
      { "{ 1 }", "answers with a table that is not 32 values by name at most" },
      { "{ [true] = 1 }", "answers with a table that is not 32 values by name at most" },
      { "{ ['a\\0b'] = 1 }", "answers with a table that is not 32 values by name at most" },
      { "{ a = {} }", "answers with a table in its table, not with plain values by name" },
      { "{ a = assert }", "answers with a function, not with a plain value" },
      { many:format(33), "answers with a table that is not 32 values by name at most" },
    }
    for _, case in ipairs(cases) do
      local q = assert(open("policy 'p' { on = function(e) return " .. case[1] .. " end }"))
      q:expect(1, { type = "any" })
      local answer, breach = q:ask(1, {})
      assert.same(case[2], answer or breach.text)
    end
    local q = assert(open("policy 'p' { on = function(e) return " .. many:format(32) .. " end }"))
    q:expect(1, { type = "any" })
    local answer = q:ask(1, {})
    assert.same({ 1, 32 }, { answer.k1, answer.k32 })
    assert.has_error(function() q:expect(1, { type = "table", fields = { a = { type = "any" } } }) end)
  end)

  it("may be answered by a flat table", function()
    local row = { type = "table", fields = {
      retry = { type = "boolean", required = true }, pause = { type = "number", min = 0, max = 10 },
      class = { type = "enum", one_of = { "safe", "unsafe" } }, text = { type = "string", max = 3 },
    } }
    local cases = {
      { "{ retry = true }", { retry = true } },
      { "{ retry = false, pause = 0.5, class = 'safe', text = 'abc' }",
        { retry = false, pause = 0.5, class = "safe", text = "abc" } },
      { "{}", "answers without retry" }, { "{ pause = 1 }", "answers without retry" },
      { "{ retry = 1 }", "in retry answers with a number, not with true or false" },
      { "{ retry = true, pause = 11 }", "in pause answers with 11, not with a number from 0 to 10" },
      { "{ retry = true, paus = 1 }", "what nobody asked for" }, { "{ retry = true, true }", "what nobody asked for" },
      { "{ retry = true, [e] = 1 }", "what nobody asked for" }, { "{ retry = true, ['pause\\0'] = 1 }", "what nobody asked for" },
      { "{ retry = true, pause = {} }", "in pause answers with a table" }, { "true", "a boolean, not with a table" },
    }
    for _, case in ipairs(cases) do
      local q = assert(open("policy 'p' { on = function(e) return " .. case[1] .. " end }"))
      q:expect(1, row)
      local answer, breach = q:ask(1, {})
      if breach then
        assert.is_not_nil(breach.text:find(case[2], 1, true), breach.text)
      else
        assert.same(case[2], answer)
      end
    end
  end)

  it("is asked only when it is known what is expected, and that is a row", function()
    local q = question.open { preludes = preludes(KINDS, "kept"), sources = { "policy 'p' { on = function() end }" } }
    assert.has_error(function() q:ask(1, {}) end)
    local many = {}
    for i = 1, 33 do many["f" .. i] = YES end
    for _, wrong in ipairs { {}, { type = "duration" }, { type = "enum" }, { type = "table" }, { type = "table", fields = many },
      { type = "table", fields = { a = { type = "table", fields = {} } } }, { type = "table", fields = { YES } } } do
      assert.has_error(function() q:expect(1, wrong) end)
    end
    q:expect(1, YES)
    assert.is_nil(q:ask(1, {}))
  end)

  it("has its row kept for it", function()
    local bodies, others = {}, {}
    for i = 1, 200 do bodies[i] = "return e.word .. 7" end
    local q = assert(open(source_of(bodies)))
    for i = 1, 200 do q:expect(i, { type = "enum", one_of = { "no", "word" .. i .. 7 } }) end
    for round = 1, 3 do
      collectgarbage()
      for i = 1, 10000 do others[i] = "other" .. i * round end
    end
    for i = 1, 200 do assert.equal("word" .. i .. 7, (q:ask(i, { word = "word" .. i }))) end
    assert.equal(10000, #others)
  end)
end)

describe("opening", function()
  it("says where a source is wrong", function()
    for text, why in pairs {
      ["\nx ="] = "1:2 unexpected symbol near '<eof>'",
      ["\n\nerror 'no'"] = "1:3 no",
      ["while true do end"] = "1:1 runs for too long",
      ["local s = ('9'):rep(60000) for i = 1, 20000 do local _ = s + 1 end"] = "1:1 runs for too long", -- so few steps
      ["local t = {} while true do t[#t + 1] = {} end"] = "1:1 needs more memory",
      [string.dump(loadstring("return 1"))] = "1:0 attempt to load chunk with wrong mode",
    } do
      local q, said = open { text, "" }
      assert.is_nil(q)
      assert.equal(why, said:sub(1, #why))
    end
  end)

  it("refuses more than it can look after", function()
    local lines = { "local t = {} for i = 1, 500 do t[i] = i end",
      "policy 'p' { on = function() return t[1] == 1 end }" }
    local q, why = open(table.concat(lines, "\n"))
    assert.is_nil(q)
    assert.equal("1:2 this function holds on to more than 1000 values", why)
    local exact = "local n, t = 1, {} for i = 1, 499 do t[i] = i end\npolicy 'p' { on = function() return t[n] == 1 end }"
    assert.is_truthy(open(exact))
    assert.is_nil(open((exact:gsub("n%] == 1", "n] == more"):gsub("local n", "local more, n"))))
    local many = "for i = 1, %d do policy('p' .. i) { on = function() end } end"
    assert.equal("1:1 there are more than 1000 functions", select(2, open(many:format(1001))))
    assert.equal(1000, #open(many:format(1000)):list())
  end)

  it("keeps of the sources what functions hold on to, within a bound", function()
    local text = "local all = {} for i = 1, %d do all[i] = ('x'):rep(60000) .. i end "
    local with = text .. "policy 'p' { on = function() return all[1] ~= nil end }"
    local without = text .. "policy 'p' { on = function() return true end, other = all }"
    assert.is_truthy(open(with:format(20)))
    assert.equal("0:0 the functions hold on to more than 2 MB", select(2, open(with:format(40))))
    local q = assert(open(without:format(40)))
    assert.is_true(q:memory() < 1e6)
    assert.equal("1:1 needs more memory than declarations may have", select(2, open(without:format(400))))
    local piece = "local s = ('x'):rep(60000) local t = table.concat({ s, s, s, s%s })"
    assert.is_truthy(open(piece:format ""))
    assert.equal("1:1 needs more memory than declarations may have", select(2, open(piece:format ", s")))
  end)

  it("goes by the same text each time: one that is decided by chance is asked no more after it was made anew", function()
    local names = "local names = {} for c = 97, 122 do names[string.char(c)] = true end\n"
    local change = names .. "local n = 0 policy 'a' { on = function() n = n + 1 return true end }\n"
    local q = assert(open(change .. "for name in pairs(names) do policy('p' .. name) { on = function() return true end } end"))
    assert.equal("changed", ask(q, 1))
    for i = 2, 27 do
      assert.is_true(ask(q, i))
    end
    local one = "policy 'p' { on = function() return true end }"
    for _, rest in ipairs { "policy('p' .. next(names)) { on = function() return true end }",
      one .. " if next(names) < 'n' then policy 'q' { on = function() return true end } end",
      ("if next(names) < 'n' then\n%s\nelse\n%s end"):format(one, one) } do
      local lost = 0
      for _ = 1, 20 do
        q = assert(open(change .. rest))
        assert.equal("changed", ask(q, 1))
        local why, breach = ask(q, 2)
        if why ~= true then
          lost = lost + 1
          assert.equal("cannot be asked, nor can any other: the sources now say something else", breach.text)
          assert.same({ "lost", true }, { why, breach.is_last })
          assert.same({}, { ask(q, 1) })
          assert.same({}, { ask(q, 2) })
        end
      end
      assert.is_true(lost > 0)
    end
  end)
end)
