-- The judge by itself: its bounds hold even for sources that are given more than declarations are.

local judge = require "nebula.judge"
local tmp = require "spec.support.tmp"

-- More than declarations are given: protected calls, metatables, Lua's own string library.
local GENEROUS = [[
local room = ...
room.records = {}
room.environment = {
  out = room.records, mark = room.mark, here = room.here, pcall = pcall, error = error, setmetatable = setmetatable,
  string = string, table = table, tostring = tostring, pairs = pairs,
}]]

-- Records, and the errors as "source:line text" lines; at most two seconds.
local function run(sources, bounds)
  local what = { preludes = { GENEROUS }, sources = type(sources) == "table" and sources or { sources } }
  for name, value in pairs(bounds or {}) do
    what[name] = value
  end
  local begun = os.clock()
  local records, errors = judge.evaluate(what)
  assert.is_true(os.clock() - begun < 1.5, "took too long")
  local lines = {}
  for i, e in ipairs(errors) do
    lines[i] = ("%d:%d %s"):format(e.source, e.line, e.text)
  end
  return records, table.concat(lines, "\n")
end

local function error_of(source, bounds)
  return (select(2, run(source, bounds)))
end

local TOO_LONG, TOO_MUCH = "runs for too long", "needs more memory"

describe("judge", function()
  it("brings plain data back", function()
    local records, errors = run [[
out.a = { 1, "two\0", true, { deep = { -0.5 } } }
out[mark] = { [false] = 1 }
out.unset = nil]]
    assert.equal("", errors)
    assert.same({ a = { 1, "two\0", true, { deep = { -0.5 } } }, [judge.mark] = { [false] = 1 } }, records)
  end)

  it("marks what is no data", function()
    local records = run [[
out.f = function() end
out.c = pcall
out.self = out
out.keys = { [out.f] = 1, [{}] = 2 }]]
    assert.same({ [judge.mark] = "function", line = 1 }, records.f)
    assert.same({ [judge.mark] = "function" }, records.c)
    assert.equal(1, records.keys["(function)"])
    assert.equal(2, records.keys["(table)"])
    local depth, at = 0, records
    while not at[judge.mark] do
      at, depth = at.self, depth + 1
    end
    assert.equal("deep", at[judge.mark])
    assert.equal(32, depth)
  end)

  it("cuts a tree that unfolds without end", function()
    local records, errors = run "out.t = {} for _ = 1, 30 do out.t = { out.t, out.t, out.t } end"
    assert.equal("", errors)
    assert.is_not_nil(records)
  end)

  it("names source and line of every error, and runs the next source", function()
    local records, errors = run { "out.a = 1", "\n\nlocal x = = 1", "\nerror 'no'", "\nerror({})", "out.b = here()",
      "\nlocal function f() error('mine', 2) end\nf()", "return mark.x", "\nerror('7:5: odd', 0)" }
    assert.same({ a = 1, b = 5 }, records)
    assert.equal([[
2:3 unexpected symbol near '='
3:2 no
4:2 raises an error that is no text
6:3 mine
7:1 attempt to index global 'mark' (a userdata value)
8:2 7:5: odd]], errors)
  end)

  it("has no place for a prelude's failure but source 0, and takes it compiled", function()
    local compiled = string.dump(loadstring("\n\nerror 'broken'", "=lua/nebula/declare/one.lua"))
    for _, prelude in ipairs { "error 'broken'", compiled } do
      local records, errors = judge.evaluate { preludes = { prelude }, sources = { "x()" } }
      assert.is_nil(records)
      assert.same({ source = 0, line = 0, text = "broken" }, errors[1])
      assert.equal(1, #errors)
    end
  end)

  local endless = {
    plain = "while true do end",
    ["in pcall"] = "while true do pcall(function() while true do end end) end",
    ["in a metamethod"] = "local t = setmetatable({}, { __index = function(t, k) while true do end end }) return t.x",
    ["in __tostring"] = "return tostring(setmetatable({}, { __tostring = function() while true do end end }))",
    ["in __index chains"] = "local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) while true do pcall(function() return t[1] end) end",
    ["in gsub's replacement"] = "return (('x'):gsub('x', function() while true do end end))",
    ["in sort's order"] = "table.sort({ 3, 1, 2 }, function() while true do end end)",
    ["in recursion"] = "local function f() return f() end f()",
    ["of comparisons of long strings"] = "local s = ('x'):rep(4e6) local a, b = s .. 'a', s .. 'b' while true do local _ = a < b end",
  }
  for name, source in pairs(endless) do
    it("ends an endless loop " .. name, function()
      local found = error_of("\n" .. source)
      assert.is_not_nil(found:find("^1:%d runs for too long") or found:find("^1:%d stack overflow")
        or found:find("^1:%d [^\n]*C stack overflow"), found)
    end)
  end

  it("counts steps, not time", function()
    local source = "for i = 1, 300000 do out.i = i end"
    assert.equal("", error_of(source))
    assert.matches(TOO_LONG, error_of(source, { steps = 100000 }))
    local first, second = run(source, { steps = 100000 }), run(source, { steps = 100000 })
    assert.same(first, second)
  end)

  it("stops all sources at the bound of steps", function()
    local records, errors = run { "while true do end", "out.a = 1" }
    assert.same({}, records)
    assert.equal(0, select(2, errors:gsub("\n", "")))
  end)

  local bombs = {
    ["a growing string"] = "local s = 'x' while true do s = s .. s end",
    ["a growing table"] = "local t = {} while true do t[#t + 1] = {} end",
    ["a large table at once"] = "local t = {} for i = 1, 1e9 do t[i] = i end",
    ["string.rep"] = "local s = ('x'):rep(1e9)",
    ["many strings"] = "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end",
    ["table.concat"] = "local s, t = ('x'):rep(1e6), {} for i = 1, 1000 do t[i] = s end return table.concat(t)",
    ["swallowed errors"] = "local t = {} while true do pcall(function() while true do t[#t + 1] = ('x'):rep(1e6) .. #t end end) end",
  }
  for name, source in pairs(bombs) do
    it("bounds the memory of " .. name, function()
      local found = error_of("\n" .. source)
      assert.is_not_nil(found:find("^1:2 " .. TOO_MUCH) or found:find("^1:2 " .. TOO_LONG), found)
    end)
  end

  it("lets the next source begin without the garbage of the last", function()
    local bomb, piece = "local t = {} while true do t[#t + 1] = ('x'):rep(1e6) .. #t end", "local s = ('x'):rep(5e6)"
    local records, errors = run { bomb, bomb, piece, piece, "for i = 1, 1000 do out.b = i end out.a = ('y'):rep(1e6)" }
    assert.equal(1e6, #records.a)
    local lines = {}
    for line in errors:gmatch "[^\n]+" do lines[#lines + 1] = line:match("^%d:1 " .. TOO_MUCH) end
    assert.equal(4, #lines)
  end)

  it("ends in a sentence whenever memory ends", function()
    local ended = {}
    for memory = 1000, 120000, 331 do
      local ok, records, errors = pcall(judge.evaluate, {
        preludes = { GENEROUS }, memory = memory,
        sources = { "local s = '' for i = 1, 200 do s = s .. i end out.s = { s, { s } }" },
      })
      local text = not ok and records or errors[1] and errors[1].text or "fine"
      ended[text:match("memory enough to begin") or text:match(TOO_MUCH) or text] = true
      assert.is_true(not ok or errors[1] ~= nil or records.s[2][1] == records.s[1])
    end
    assert.same({ ["memory enough to begin"] = true, [TOO_MUCH] = true, fine = true }, ended)
  end)

  it("takes source text alone", function()
    assert.matches("^1:0 attempt to load chunk with wrong mode", error_of(string.dump(function() return 1 end)))
    assert.matches("^1:1 unexpected symbol", error_of("\0"))
    assert.matches("^1:1 chunk has too many syntax levels", error_of("local a = " .. ("{"):rep(100000)))
    assert.matches("^1:1 chunk has too many syntax levels", error_of("local a = " .. ("("):rep(100000)))
    assert.matches("^1:1 ", error_of("return " .. ("not "):rep(100000) .. "1"))
  end)

  it("has nothing that cannot be bounded, not even for its preludes", function()
    local found = judge.evaluate { sources = {}, preludes = { [[
local room = ...
room.records = {}
for name in pairs(_G) do
  room.records[#room.records + 1] = name
end
table.sort(room.records)]] } }
    assert.same({ "_G", "_VERSION", "assert", "error", "getmetatable", "ipairs", "math", "next", "pairs", "pcall",
      "rawequal", "rawget", "rawset", "select", "setmetatable", "string", "table", "tonumber", "tostring", "type",
      "unpack" }, found)
  end)

  describe("reads files", function()
    local folder
    setup(function()
      folder = tmp.folder()
      tmp.write(folder, "b.lua", "b\0b")
      tmp.write(folder, "a.lua", "")
      tmp.write(folder, ".hidden.lua", "")
      tmp.write(folder, "other.txt", "")
      os.execute(("cd '%s' && mkdir d.lua && mkfifo f.lua && ln -s b.lua l.lua && ln -s loop.lua loop.lua && ln -s /dev/zero z.lua"):format(folder))
    end)

    it("whole, through links", function()
      assert.equal("b\0b", judge.read(folder .. "/b.lua", 3))
      assert.equal("b\0b", judge.read(folder .. "/l.lua", 3))
      assert.equal("", judge.read(folder .. "/a.lua", 0))
    end)

    it("that are files, within a bound, without waiting", function()
      for name, why in pairs {
        ["b.lua"] = "has 3 bytes; the bound is 2", ["d.lua"] = "is a folder, not a file", ["f.lua"] = "is a FIFO, not a file",
        ["z.lua"] = "is a device, not a file", ["no.lua"] = "cannot be opened: No such file",
        ["loop.lua"] = "cannot be opened: Too many levels", ["b.lua/x"] = "cannot be opened: Not a directory",
      } do
        local text, problem = judge.read(folder .. "/" .. name, 2)
        assert.is_nil(text)
        assert.equal(why, problem:sub(1, #why))
      end
      assert.matches("has more than 2 bytes", (select(2, judge.read("/proc/self/status", 2))))
    end)

    it("that a folder has, sorted", function()
      assert.same({ "a.lua", "b.lua", "d.lua", "f.lua", "l.lua", "loop.lua", "z.lua" }, judge.names(folder, ".lua", 7))
      assert.equal("holds 7 files; the bound is 6", select(2, judge.names(folder, ".lua", 6)))
      assert.equal("other.txt", judge.names(folder, ".txt", 1)[1])
      assert.same({}, judge.names(folder .. "/d.lua", "", 1))
      assert.matches("No such file", select(2, judge.names(folder .. "/none", "", 1)))
      assert.matches("Not a directory", select(2, judge.names(folder .. "/a.lua", "", 1)))
    end)
  end)
end)
