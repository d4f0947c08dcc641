local where = require "nebula.where"

-- The place of a setting, as "line:column".
local function at(source, kind, name, line, ...)
  return table.concat({ where.read(source):setting(kind, name, line, { ... }) }, ":")
end

describe("where", function()
  local source = [=[
-- a comment with sqlite "orders" { file = 1 }
--[[ and a long one
sqlite "orders" { file = 2 } ]]
local postgres_pool = { max = 3 }

sqlite "orders" {
  file = "a.db", create = true;
  ["cache_size"] = "8MB",
  pool = {
    min = 1, max = 2,
    [ 'order' ] = "fifo",
    idle = f(1, { 2, 3 }, function() local a, b = 1, 2 return { a, b } end), life = "1h",
  },
  tags = { "a", "b", { deep = { er = 1 } }, [7] = "g" },
  text = [==[ { ]] file = "wrong" ]==], after = 1,
  x = 1 == 2, y = { 1 == 1 },
}

sqlite "orders" { file = "second.db" }
sqlite("three") { file = "c.db" } sqlite("four")({ file = "d.db" })
for i = 1, 3 do
  sqlite("shard" .. i) {
    file = "s" .. i, pool = postgres_pool,
  }
end
return policy "reports" { like = "standard",
	call = { deadline = "5m" } }
]=]

  it("knows the line and column of every setting", function()
    assert.equal("7:3", at(source, "sqlite", "orders", 6, "file"))
    assert.equal("7:18", at(source, "sqlite", "orders", 6, "create"))
    assert.equal("8:3", at(source, "sqlite", "orders", 6, "cache_size"))
    assert.equal("9:3", at(source, "sqlite", "orders", 6, "pool"))
    assert.equal("10:5", at(source, "sqlite", "orders", 6, "pool", "min"))
    assert.equal("10:14", at(source, "sqlite", "orders", 6, "pool", "max"))
    assert.equal("11:5", at(source, "sqlite", "orders", 6, "pool", "order"))
    assert.equal("12:5", at(source, "sqlite", "orders", 6, "pool", "idle"))
    assert.equal("12:78", at(source, "sqlite", "orders", 6, "pool", "life"))
    assert.equal("15:3", at(source, "sqlite", "orders", 6, "text"))
    assert.equal("15:41", at(source, "sqlite", "orders", 6, "after"))
    assert.equal("16:15", at(source, "sqlite", "orders", 6, "y"))
  end)

  it("counts the entries of lists", function()
    assert.equal("14:12", at(source, "sqlite", "orders", 6, "tags", 1))
    assert.equal("14:17", at(source, "sqlite", "orders", 6, "tags", 2))
    assert.equal("14:33", at(source, "sqlite", "orders", 6, "tags", 3, "deep", "er"))
    assert.equal("14:45", at(source, "sqlite", "orders", 6, "tags", 7))
    assert.equal("16:21", at(source, "sqlite", "orders", 6, "y", 1))
  end)

  it("tells declarations of one name, in one line, and in calls with brackets apart", function()
    assert.equal("19:19", at(source, "sqlite", "orders", 19, "file"))
    assert.equal("20:19", at(source, "sqlite", "three", 20, "file"))
    assert.equal("20:52", at(source, "sqlite", "four", 20, "file"))
    assert.equal("20:1", at(source, "sqlite", "three", 20))
    assert.equal("20:35", at(source, "sqlite", "four", 20))
    assert.equal("26:27", at(source, "policy", "reports", 26, "like"))
    assert.equal("27:11", at(source, "policy", "reports", 26, "call", "deadline"))
  end)

  it("answers with the nearest known place for what is computed", function()
    assert.equal("23:5", at(source, "sqlite", "shard2", 22, "file"))
    assert.equal("23:22", at(source, "sqlite", "shard2", 22, "pool", "max"))
    assert.equal("6:1", at(source, "sqlite", "orders", 6, "nowhere", "at", "all"))
    assert.equal("6:1", at(source, "sqlite", "unheard", 6, "file"))
  end)

  it("takes any line ending, byte order mark and first line for the shell", function()
    for _, ending in ipairs { "\n", "\r\n", "\r" } do
      local text = ("#!/x {|sqlite 'a' {|  b = 1 }"):gsub("|", ending)
      assert.equal("3:3", at(text, "sqlite", "a", 2, "b"))
    end
    assert.equal("1:17", at("\239\187\191sqlite 'a' { b = 1 }", "sqlite", "a", 1, "b"))
  end)

  it("reads escapes in names", function()
    assert.equal("1:14", at([[sqlite "a" { ["p\111ol"] = 1 }]], "sqlite", "a", 1, "pool"))
    assert.equal("1:20", at([[sqlite "a\"\x62" { { ["\z   pool"] = 1 } }]], "sqlite", 'a"b', 1, 1, "nothing"))
    assert.equal("1:16", at([[sqlite "a" { { ["\z   pool"] = 1 } }]], "sqlite", "a", 1, 1, "pool"))
  end)

  it("survives what is no Lua at all", function()
    math.randomseed(11)
    local pieces = { "sqlite", '"', "'", "{", "}", "(", ")", "[", "[[", "]]", "--", "--[[", "=", ",", "\\", "\n", "\0", "\255",
      "function", "end", "do", "1e5", "..", "a", "[=[" }
    for _ = 1, 5000 do
      local text = {}
      for i = 1, math.random(30) do
        text[i] = pieces[math.random(#pieces)]
      end
      local line, column = where.read(table.concat(text)):setting("sqlite", "a", 1, { "b" })
      assert.is_true(line >= 1 and column >= 1)
    end
  end)

  it("finds names in lines", function()
    assert.equal(9, where.read("\nlocal a = b"):word("=", 2))
    assert.equal(1, where.read("\nlocal a = b"):word("zz", 2))
    assert.equal(1, where.read(""):word("zz", 2))
  end)
end)
