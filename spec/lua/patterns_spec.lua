-- The judge's own find, match, gmatch and gsub answer exactly as Lua's do.

local strings

-- The preludes replace the methods of strings for the state that they run in; here that is undone at once.
local function load_strings()
  local room, methods = {}, getmetatable("").__index
  for _, name in ipairs { "patterns", "strings" } do
    assert(loadfile("lua/nebula/declare/" .. name .. ".lua"))(room)
  end
  getmetatable("").__index = methods
  return room.strings
end

local function answers(f, ...)
  local result = { pcall(f, ...) }
  if not result[1] then
    return "error"
  end
  for i = 1, #result do
    result[i] = tostring(result[i])
  end
  return table.concat(result, "|")
end

local function all_of(gmatch)
  return function(s, p)
    local out = {}
    for a, b in gmatch(s, p) do
      out[#out + 1] = tostring(a) .. "," .. tostring(b)
      if #out > 100 then
        break
      end
    end
    return table.concat(out, ";")
  end
end

describe("patterns", function()
  setup(function()
    strings = load_strings()
  end)

  local pieces = {
    "a", "b", ".", "%a", "%d", "%s", "%w", "%A", "%p", "%x", "[ab]", "[^a]", "[a-c]", "[]a]", "[%d_]", "[a-]", "(a)",
    "(", ")", "()", "%1", "*", "+", "-", "?", "^", "$", "%b()", "%f[%w]", "%f[^a]", "%%", "[", "%", "x", "(.-)", "(%w*)",
  }
  local letters = { "a", "b", "c", "x", "1", "_", " ", "(", ")", "%", "-", "]", "A" }

  local function draw(list, most)
    local out = {}
    for i = 1, math.random(0, most) do
      out[i] = list[math.random(#list)]
    end
    return table.concat(out)
  end

  it("answer as Lua's own, on 20,000 random patterns", function()
    math.randomseed(7)
    for _ = 1, 20000 do
      local s, p = draw(letters, 12), draw(pieces, 5)
      local init = math.random(-14, 14)
      local replacement = draw({ "%1", "%0", "-", "%%", "y" }, 3)
      local about = ("%q %q %d %q"):format(s, p, init, replacement)
      assert.equal(answers(string.find, s, p, init), answers(strings.find, s, p, init), about)
      assert.equal(answers(string.match, s, p, init), answers(strings.match, s, p, init), about)
      assert.equal(answers(all_of(string.gmatch), s, p), answers(all_of(strings.gmatch), s, p), about)
      assert.equal(answers(string.gsub, s, p, replacement), answers(strings.gsub, s, p, replacement), about)
    end
  end)

  -- Around the end of the first piece in which a word of this size is looked for, and of the second.
  local function places(size)
    local all, first = {}, math.floor(2 ^ 20 / (128 + size))
    for at = first - 2, first + 2 do
      all[#all + 1], all[#all + 2] = at, at + first
    end
    return all
  end

  it("find a word wherever it is in a long text, and nothing where it is not", function()
    local text = ("ab"):rep(20000)
    for _, word in ipairs { "x", "bb", "", ("ab"):rep(300) .. "x", ("ab"):rep(12000) .. "x" } do
      for _, at in ipairs { 1, 2, 39999, 40000, 40001, unpack(places(#word)) } do
        local s = text:sub(1, at - 1) .. word .. text:sub(at)
        for _, init in ipairs { 1, at - 1, at, at + 1, -1, #s + 1, #s + 2 } do
          assert.equal(answers(string.find, s, word, init, true), answers(strings.find, s, word, init, true))
        end
      end
    end
  end)

  it("format as Lua's own, but for where things lie in memory", function()
    for _, given in ipairs { { "%d %5.1f%% %s", 5, 0.25, "x" }, { "%q", "a\nb" }, { "%s %s", true }, { "%x", -1 }, { "" },
      { "%s|%s", nil, 5 }, { 5 }, { "%%p" }, { "%", 1 }, { "%y", 1 } } do
      assert.equal(answers(string.format, unpack(given, 1, 3)), answers(strings.format, unpack(given, 1, 3)))
    end
    assert.equal("table function", strings.format("%s %s", {}, print))
    for _, wrong in ipairs { "%p", "%-20p", "%%%p" } do
      assert.has_error(function() strings.format(wrong, {}) end)
    end
    local many = {}
    for i = 1, 33 do many[i] = i end
    assert.equal(32, #strings.format(("%.0s"):rep(31) .. "%032d", unpack(many, 1, 32)))
    assert.has_error(function() strings.format("", unpack(many)) end)
  end)

  it("replace by tables and functions", function()
    assert.equal("1-c", (strings.gsub("ab-c", "%w+", { ab = 1 })))
    assert.equal("AB-c", (strings.gsub("ab-c", "%w%w", function(w) return w:upper() end)))
    assert.equal("x-c", (strings.gsub("ab-c", "%w+", "x", 1)))
    assert.has_error(function() strings.gsub("a", "a", function() return {} end) end)
  end)

  it("repeat, within a bound", function()
    assert.equal("ab,ab", strings.rep("ab", 2, ","))
    assert.equal("", strings.rep("ab", -1))
    assert.has_error(function() strings.rep("ab", 1e9) end)
    assert.has_error(function() strings.rep("ab", math.huge) end)
    assert.equal("", strings.rep("", 5))
  end)
end)
