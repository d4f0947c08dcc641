-- alone
-- Attacks on declarations, through the program: each ends with code 2 and a line, within 2 seconds, and whatever
-- secret there was is not in what it says.

local clock = require "spec.support.clock"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local SECRET = "hunter2"
local WITHIN = process.is_slow and 6000 or 2000 -- ms; a sanitizer makes everything about three times as slow

local function run(folder, ...)
  local begun = clock.now()
  local ended = process.run { process.program "nebula", "check", folder, ..., within = 20000 }
  return ended, clock.now() - begun
end

-- What is slow is slow each time; a busy machine is not: the best of three counts.
local function check(folder, ...)
  local ended, took
  for _ = 1, 3 do
    ended, took = run(folder, ...)
    if took < WITHIN then
      break
    end
  end
  assert.is_true(took < WITHIN, ("took %d ms"):format(took))
  assert.is_nil((ended.output .. ended.errors):find(SECRET, 1, true), ended.output .. ended.errors)
  return ended
end

-- Both ways of saying it have a piece of the text; the one for people has the place.
local function refused(folder, place, text)
  local plain = check(folder)
  for _, ended in ipairs { plain, check(folder, "--json") } do
    assert.equal(2, ended.code, ended.output .. ended.errors)
    local said = (ended.output .. ended.errors):gsub("\\(.)", "%1") -- of JSON
    assert.is_not_nil(said:find(text or "", 1, true), said)
  end
  assert.is_not_nil(plain.errors:find(place .. ":", 1, true), place .. " is not in: " .. plain.errors)
end

local function attack(name, line, source, text)
  it(name, function()
    local folder = tmp.folder()
    tmp.write(folder, "resources/a.lua", source)
    refused(folder, "resources/a.lua:" .. line, text)
  end)
end

local FINE = 'sqlite "fine" { file = "x.db" }\n'

describe("broken Lua", function()
  attack("a sign too many", 2, FINE .. "sqlite = = 1", "unexpected symbol near '='")
  attack("a table that does not end", 3, FINE .. 'sqlite "a" {\nfile = "b"', "'}' expected")
  attack("a string that does not end, with a secret in it", 2, FINE .. 'postgres "a" { password = "' .. SECRET,
    "unfinished string")
  attack("a long string that does not end", 2, FINE .. "sqlite [==[" .. SECRET, "unfinished long string")
  attack("a number that is none", 2, FINE .. "postgres 'a' { password = 7" .. SECRET .. " }", "malformed number")
  attack("an escape that is none", 2, FINE .. 'postgres "a" { password = "' .. SECRET .. '\\q" }', "escape")
  attack("NUL bytes", 2, FINE .. "\0\0\0", "unexpected symbol")
  attack("a byte that is no UTF-8, in a name", 2, FINE .. 'sqlite "\255" { file = "a" }', "a name begins with")
  attack("a byte that is no UTF-8, in a setting", 2, FINE .. 'sqlite "a" { file = "\255" }', "not valid UTF-8")
  attack("a NUL byte in a setting", 3, FINE .. '\nsqlite "a" { file = "a\\0b" }', "holds a NUL byte")
  attack("noise", 1, ("\1\2\254\253{[(\"'"):rep(100000))
  attack("goto into nothing", 1, "goto nowhere", "nowhere")
end)

describe("bytecode", function()
  attack("alone", 1, string.dump(loadstring("while true do end")), "compiled Lua")
  attack("behind a byte order mark", 1, "\239\187\191" .. string.dump(loadstring("while true do end")))
  attack("by load", 2, FINE .. "loadstring('\\27LJ')()", 'unknown name "loadstring"')
end)

describe("unknown names and wrong types", function()
  attack("a kind", 2, FINE .. 'sqlitte "a" { file = "b" }', 'did you mean "sqlite"')
  attack("a setting", 2, FINE .. 'sqlite "a" { file = "b", jurnal = "wal" }', 'did you mean "journal"')
  attack("a policy", 2, FINE .. 'sqlite "a" { file = "b", policy = "databse" }', 'did you mean "database"')
  attack("a policy that is like itself", 1, 'policy "a" { like = "a" }', "circle")
  attack("a global that is set", 2, FINE .. "orders = 1", "cannot be set")
  attack("a library function that is set", 2, FINE .. "string.rep = nil", "cannot be set")
  attack("a number as file", 2, FINE .. 'sqlite "a" { file = 5 }', "expected a text")
  attack("a function as file", 2, FINE .. 'sqlite "a" { file = function() end }', "a function cannot stand here")
  attack("no table at all", 2, FINE .. 'sqlite "a" (nil)', "no settings")
  attack("a table as name", 2, FINE .. 'sqlite {} { file = "a" }', "has no name")
  attack("one name twice", 3, FINE .. "\n" .. FINE, "already a resource")
  for _, name in ipairs { "os", "io", "debug", "require", "package", "ffi", "jit", "dofile", "getfenv", "setmetatable" } do
    attack(name, 2, FINE .. name .. ".x 'id'", ('unknown name \\"%s\\"'):format(name):gsub("\\", ""))
  end
  for _, number in ipairs { "1e308", "-1", "0/0", "1/0", "2^53", "0x7fffffffffffffff", "1.5", "9007199254740993" } do
    attack("max = " .. number, 2, FINE .. ('sqlite "a" { file = "b", pool = { max = %s } }'):format(number), "max")
  end
  for _, text in ipairs { "99999999999999999999h", "1e999s", "-5s", "5", "0.0000001us" } do
    attack("idle = " .. text, 2, FINE .. ('sqlite "a" { file = "b", pool = { idle = "%s" } }'):format(text), "idle")
  end
end)

describe("endless loops", function()
  local TEXT = "runs for too long"
  attack("plain", 2, FINE .. "while true do end", TEXT)
  attack("in a for", 2, FINE .. "for i = 1, math.huge do end", TEXT)
  attack("in recursion", 2, FINE .. "local function f() return f() end f()", TEXT)
  attack("in deep recursion", 2, FINE .. "local function f() return 1 + f() end f()", "stack overflow")
  attack("in pcall", 2, FINE .. "while true do pcall(function() while true do end end) end", "pcall")
  attack("in coroutines", 2, FINE .. "coroutine.wrap(function() while true do end end)()", "coroutine")
  attack("in a metamethod", 2, FINE .. "local t = setmetatable({}, { __index = function() while true do end end }) t = t.x + 1",
    "setmetatable")
  attack("in an iterator", 2, FINE .. "for _ in function() return 1 end do end", TEXT)
  attack("in gsub's replacement", 2, FINE .. "local _ = ('x'):gsub('x', function() while true do end end)", TEXT)
  attack("of declarations", 2, FINE .. 'while true do sqlite "a" end')
  attack("of unknown names", 2, FINE .. "while true do unknown() end", TEXT)
  attack("of table.insert far below the list", 2, FINE .. "table.insert({}, -2^31, 1)", "no such position")
  attack("of table.insert at no position", 2, FINE .. "table.insert({}, 0 / 0, 1)", "no such position")
  attack("of comparisons", 3, FINE .. [[local s = ("x"):rep(6e4) for i = 1, 4 do s = s .. s end
    local a, b = s .. "a", s .. "b" while true do local _ = a < b end]])
  attack("in a policy", 1, "while true do end", TEXT)
end)

describe("memory bombs", function()
  attack("string.rep", 2, FINE .. "local s = string.rep('x', 1e9)", "longer than")
  attack("string.rep of the string's own", 2, FINE .. "local s = ('x'):rep(2^31)", "longer than")
  attack("a growing string", 2, FINE .. "local s = 'x' while true do s = s .. s end", "memory")
  attack("a growing table", 2, FINE .. "local t = {} while true do t[#t + 1] = {} end")
  attack("table.concat", 2, FINE .. "local t, x = {}, ('x'):rep(6e4) for i = 1, 1e5 do t[i] = x end local s = table.concat(t)", "memory")
  attack("string.format", 2, FINE .. 'local s = ("%99999d"):format(1)', "format")
  attack("a tree that unfolds", 2, FINE .. 'local t = {} for i = 1, 25 do t = { t, t } end sqlite "a" { file = t }')
  attack("a tree that unfolds, in the middle", 2, FINE .. 'local t = {} for i = 1, 25 do t = { t, t } end sqlite "a" { x = t }\n'
    .. FINE, "500,000 values")
  attack("a table that holds itself", 2, FINE .. 'local t = {} t.t = t sqlite "a" { file = "b", pool = t }', "unknown setting")
  attack("a setting that holds itself", 2, FINE .. 'local t = {} t.pool = t t.file = "a" sqlite "a" (t)', "pool")
  attack("deep nesting in the text", 2, FINE .. "local t = " .. ("{"):rep(200000), "syntax levels")
  attack("deep nesting by a loop", 2, FINE .. 'local t = {} for i = 1, 1000 do t = { min = t } end sqlite "a" { file = "b", pool = t }',
    "pool.min")
  attack("a long text", 2, FINE .. 'sqlite "a" { file = ("x"):rep(50000) }', "has 50000 bytes")
  attack("a long list of unknown settings", 2, FINE .. 'local t = {} for i = 1, 5e4 do t["x" .. i] = i end sqlite "a" (t)',
    "not shown")
end)

describe("pattern bombs", function()
  local text = 'local s = ("a"):rep(30000) '
  for name, call in pairs {
    find = 'string.find(s, ("a*"):rep(30) .. "b")', match = 's:match(("a?"):rep(5000) .. "b")',
    gmatch = 'for _ in s:gmatch(("(.-)"):rep(20) .. "b") do end', gsub = 's:gsub((".-"):rep(20) .. "b", "")',
    balance = 's:gsub("%b()", "") s = ("("):rep(60000) s:gsub("%b()", "")', back = 's:find("(.*)(.*)(.*)%1%2%3b")',
    frontier = 's:find(("%f[a]a-"):rep(20) .. "b")', set = 's:find("[" .. ("a-z"):rep(10000) .. "]-b")',
  } do
    attack(name, 2, FINE .. text .. (name == "gmatch" and "" or "local _ = ") .. call:gsub("^s:gsub(.-) s = ", "s:gsub%1 s = "))
  end
  attack("a plain search", 2, FINE .. text .. "while true do local _ = s:find(('a'):rep(500) .. 'b', 1, true) end")
end)

describe("files that are none", function()
  local function file(name, command, text)
    it(name, function()
      local folder = tmp.folder()
      tmp.write(folder, "resources/b.lua", FINE)
      os.execute(("cd '%s/resources' && %s"):format(folder, command))
      refused(folder, "resources/a.lua:1", text)
    end)
  end
  file("50 MB", "head -c 50000000 /dev/zero | tr '\\0' ' ' > a.lua", "has 50000000 bytes; the bound is 1000000")
  file("50 MB of a hole", "truncate -s 50000000 a.lua", "the bound is")
  file("a FIFO", "mkfifo a.lua", "is a FIFO")
  file("a folder", "mkdir a.lua", "is a folder")
  file("a device without an end", "ln -s /dev/zero a.lua", "is a device")
  file("a link to itself", "ln -s a.lua a.lua", "cannot be opened")
  file("a link to nothing", "ln -s nowhere a.lua", "cannot be opened")
  file("a terminal", "ln -s /dev/tty a.lua")
  file("a file of /proc without an end", "ln -s /proc/kmsg a.lua")

  it("a folder of 2,000 files", function()
    local folder = tmp.folder()
    os.execute(("mkdir '%s/resources' && cd '%s/resources' && seq 2000 | sed 's/$/.lua/' | xargs touch"):format(folder, folder))
    refused(folder, folder .. "/resources:1", "holds 2000 files")
  end)

  it("files that together are too much", function()
    local folder = tmp.folder()
    for i = 1, 9 do
      tmp.write(folder, ("resources/%d.lua"):format(i), ("-"):rep(999000) .. "\n")
    end
    refused(folder, "resources/9.lua:1", "all files together")
  end)

  it("no folder", function()
    refused("/nowhere/at/all", "/nowhere/at/all:1", "No such file")
  end)
end)

describe("secrets", function()
  local dsn = "postgres://shop:" .. SECRET .. "@db.internal:5432/orders"
  local strange = "postgres://shop:" .. SECRET .. "/@?#@db:x/y"
  for name, address in pairs { plain = dsn, strange = strange, ["without a host"] = "postgres://u:" .. SECRET,
    ["with words"] = "host=db password=" .. SECRET .. " user=shop", ["in a query"] = "postgres://h/d?password=" .. SECRET } do
    local q = ("%q"):format(address)
    attack(name .. ": as another kind's file", 2, FINE .. ('sqlite "a" { file = %s .. "\\0" }'):format(q), "NUL")
    attack(name .. ": as a name", 2, FINE .. ("postgres %s {}"):format(q), "a name begins")
    attack(name .. ": as a policy", 2, FINE .. ('sqlite "a" { file = "b", policy = %s }'):format(q), "there is no policy")
    attack(name .. ": as a number", 2, FINE .. ('sqlite "a" { file = "b", pool = { max = %s } }'):format(q), "whole number")
    attack(name .. ": as a time", 2, FINE .. ('sqlite "a" { file = "b", pool = { idle = %s } }'):format(q), "this will not do")
    attack(name .. ": as a word", 2, FINE .. ('sqlite "a" { file = "b", journal = %s }'):format(q), "not possible")
    attack(name .. ": as a setting's name", 2, FINE .. ('sqlite "a" { file = "b", [%s] = 1 }'):format(q), "unknown setting")
    attack(name .. ": in a URL that will not do", 2, FINE .. ('postgres "a" { url = "x" .. %s }'):format(q), "url")
    attack(name .. ": as a name of a library", 2, FINE .. ("local _ = string[%s]"):format(q), "unknown name")
    attack(name .. ": as a global", 2, FINE .. ("local _ = %s .. nil"):format(q))
    attack(name .. ": as a pattern", 2, FINE .. ("local _ = ('x'):find('[' .. %s)"):format(q), "malformed pattern")
    attack(name .. ": as a variable's name", 2, FINE .. ('sqlite "a" { file = env(%s) }'):format(q), "not set")
  end
  attack("in what error() says", 2, FINE .. ("error(%q)"):format(dsn), "postgres://***@db.internal")
  attack("in an index of nothing", 2, FINE .. ("local t = {} local _ = t[%q].x"):format(dsn))
  attack("in a misspelt setting", 2, FINE .. ('postgres "a" { pasword = %q }'):format(SECRET), 'did you mean "password"')
  attack("in a table", 2, FINE .. ('postgres "a" { password = { %q } }'):format(SECRET), "expected a text")

  it("from the environment", function()
    local folder = tmp.folder()
    for i, setting in ipairs { "journal = %s", "cache_size = %s", "pool = { max = %s }", "create = %s", "policy = %s",
      "file = %s .. '\\0'" } do
      tmp.write(folder, "resources/a.lua", FINE .. ('sqlite "a" { %s, file = "b" }'):format(setting:format('env "SPEC_SECRET"'))
        :gsub(i == 6 and ', file = "b"' or "^$", ""))
      local ended = process.run { process.program "nebula", "check", folder, env = { SPEC_SECRET = SECRET } }
      assert.equal(2, ended.code)
      assert.is_not_nil(ended.errors:find("resources/a.lua:2:", 1, true), ended.errors)
      assert.is_nil(ended.errors:find(SECRET, 1, true), ended.errors)
    end
  end)
end)

describe("very many", function()
  it("10,000 declarations are read in time", function()
    local folder, lines = tmp.folder(), {}
    for i = 1, 10000 do
      lines[i] = ('sqlite "s%d" { file = "%d.db", pool = { max = 5, idle = "1m" } }\n'):format(i, i)
    end
    tmp.write(folder, "resources/a.lua", table.concat(lines))
    local ended = check(folder)
    assert.equal(0, ended.code, ended.errors)
    assert.matches("10000 resources", ended.output)
    lines[10000] = 'sqlite "last" { file = "1.db", pool = { mx = 5 } }\n'
    tmp.write(folder, "resources/a.lua", table.concat(lines))
    refused(folder, "resources/a.lua:10000", 'did you mean "max"')
  end)

  it("10,000 wrong ones too", function()
    local folder = tmp.folder()
    tmp.write(folder, "resources/a.lua", ('sqlite "s" { fil = 1, pool = { mix = 5, idle = "1x" } }\n'):rep(10000))
    refused(folder, "resources/a.lua:2", "more errors, not shown")
  end)

  it("of 100,000 by a loop, no more than are allowed, right or wrong", function()
    local folder = tmp.folder()
    for _, field in ipairs { "file", "fil" } do
      local text = ('\nfor i = 1, 100000 do sqlite("a" .. i) { %s = "x" } end'):format(field)
      tmp.write(folder, "resources/a.lua", text)
      refused(folder, "resources/a.lua:2", "at most 20000 resources")
    end
  end)

  it("100,000 unknown names too", function()
    local folder = tmp.folder()
    tmp.write(folder, "resources/a.lua", ("a.b()\n"):rep(100000))
    refused(folder, "resources/a.lua:2", "not shown")
  end)
end)
