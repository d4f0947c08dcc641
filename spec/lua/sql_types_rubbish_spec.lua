-- Whatever words a server sends for a type, its decoder comes to an end and gives a value: its own, or the words as they
-- are. What it gives has words, and those are the same value. SEED=n begins there; NEBULA_PROVE makes it longer.

local catalog = require "nebula.sql.types.catalog".of({})
local dice = require "spec.support.dice"
local words = require "nebula.sql.types.words"

local TIMES = os.getenv "NEBULA_PROVE" and 100000 or 400
local SEED = tonumber(os.getenv "SEED") or 1
local STEPS = 1e7 -- of the virtual machine: no decoder needs so many for words of some kB

-- Of this database: (number integer, name text, inner, tags text[]), a range of texts and what is made of them.
local COMPOSITE, INNER, COMPOSITES, RANGE, MULTIRANGE, DOMAIN, HSTORE = 16385, 16386, 16387, 16388, 16389, 16390, 16391

catalog:learn({}, {
  { oid = COMPOSITE, name = "thing", kind = "composite",
    fields = { { "number", 23 }, { "name", 25 }, { "inner", INNER }, { "tags", 1009 } } },
  { oid = INNER, name = "inner", kind = "composite", fields = { { "day", 1082 }, { "span", 3904 } } },
  { oid = COMPOSITES, name = "_thing", kind = "array", of = COMPOSITE, delimiter = "," },
  { oid = RANGE, name = "textrange", kind = "range", of = 25 },
  { oid = MULTIRANGE, name = "textmultirange", kind = "multirange", of = 25 },
  { oid = DOMAIN, name = "span", kind = "domain", of = 3904 },
  { oid = HSTORE, name = "hstore", kind = "word", extension = "hstore" },
})
local types = catalog.decoders

-- By OID: what a server says.
local samples = {
  [16] = { "t", "f" },
  [17] = { "\\x00ff", "\\x" },
  [20] = { "-9223372036854775808", "9007199254740993", "0" },
  [114] = { '{"a": [1, 2.5e3, null, {"b": "\\u00e9\\ud83d\\ude00"}], "c": true}', '"x"', "[]", "12345678901234567890" },
  [701] = { "1.5", "NaN", "-Infinity", "1e-320" },
  [1082] = { "2024-02-29", "infinity", "4713-01-01 BC" },
  [1114] = { "2024-01-02 03:04:05.678901", "0001-01-01 00:00:00 BC" },
  [1184] = { "2024-01-02 03:04:05+05:30", "294276-12-31 23:59:59.999999+00", "-infinity" },
  [1186] = { "1 year -2 mons +3 days -04:05:06.789", "00:00:00", "-1 days" },
  [1007] = { "{1,NULL,3}", "[0:1][-2:-1]={{1,2},{3,4}}", "{}" },
  [1009] = { '{"a\\"b","c\\\\d",NULL,"NULL","{}"}', '{{"x"},{y}}' },
  [1001] = { '{"\\\\x00","\\\\xff"}' },
  [3807] = { '{"{\\"a\\": [1, 2]}","[]"}' },
  [1185] = { '{"2024-01-02 03:04:05+00",infinity}' },
  [1187] = { '{"1 day","-00:00:01"}' },
  [3904] = { "[1,5)", "(,5)", "empty", "(,)" },
  [3910] = { '["2024-01-02 03:04:05+00",infinity)', '(,"0001-01-01 00:00:00+00 BC"]' },
  [3913] = { '{"[2024-01-02,2024-02-03)",empty,NULL}' },
  [4451] = { "{[1,2),[4,)}", "{}", "{(,)}" },
  [COMPOSITE] = { [[(1,"a ""b"" \\\\","(2024-01-02,""[1,5)"")","{x,""y z""}")]], "(,,,)" },
  [COMPOSITES] = { [[{"(1,x,\"(,)\",{})",NULL,"(,\"\",,)"}]] },
  [RANGE] = { [=[["a ""b""","\\")]=], "(,z]" },
  [MULTIRANGE] = { '{[a,b],("c d",)}' },
  [DOMAIN] = { "[1,5)" },
  [HSTORE] = { '"a"=>"1", "b \\"c\\""=>NULL', "" },
}

-- Not sent back in the words that came: "true" for "t", and of a string nobody can tell that it was bytes or a document.
local one_way = { [16] = true, [17] = true, [114] = true, [1001] = true, [3807] = true }

-- In a fixed order.
local function names_of(list)
  local names = {}
  for name in pairs(list) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local pieces = { "{", "}", '"', "\\", ",", "NULL", "[0:1]=", "-", " ", ":", ".", "\0", "\255", "9", "e", "u", "days", "BC", "+" }

local function spoil(roll, text)
  for _ = 1, roll(1, 3) do
    local at, long = roll(1, #text + 1), roll(0, 4)
    local piece = roll(1, 3) > 1 and pieces[roll(1, #pieces)]:rep(roll(1, 40) == 1 and 5000 or 1) or ""
    text = text:sub(1, at - 1) .. piece .. text:sub(at + (roll(1, 2) == 1 and long or 0))
  end
  return text
end

-- In compiled loops no steps are counted.
jit.off()
jit.flush()

local function bounded(fn, ...)
  local is_endless = false
  debug.sethook(function()
    is_endless = true
    error("it does not come to an end", 0)
  end, "", STEPS)
  local ok, value = pcall(fn, ...)
  debug.sethook()
  if is_endless then return false, "it does not come to an end" end
  return ok, value
end

-- A value that is no more than the words of the server says nothing.
local function check_again(decode, value)
  local text = words.of(value)
  local again = words.of(decode(text))
  assert(text == again, ("is written %q, and that is %q"):format(text:sub(1, 200), tostring(again):sub(1, 200)))
end

local function check(decode, text, is_one_way)
  local value = decode(text)
  assert(value ~= nil, "gives nothing")
  if value ~= text and not is_one_way then check_again(decode, value) end
end

local function fuzz(decode, list, is_one_way)
  for i = SEED, SEED + TIMES - 1 do
    local roll = dice(i)
    local text = spoil(roll, list[roll(1, #list)])
    local ok, why = bounded(check, decode, text, is_one_way)
    if not ok then error(("seed %d, %q: %s"):format(i, text:sub(1, 200), tostring(why)), 0) end
  end
end

local function decoder_of(oid)
  return types[oid] or function(text) return text end
end

describe("rubbish from a server", function()
  it("is no document where it is none, and is not read to its end again and again", function()
    for _, text in ipairs { "{" .. ("\\"):rep(20000) .. '"x"', '{"a": [{"b' .. ("\\"):rep(20000) .. '"x": 1}]}',
      '{"a" 1' } do
      assert.same({ true, text }, { bounded(decoder_of(114), text) })
    end
  end)

  for _, oid in ipairs(names_of(samples)) do
    it("is a value or the words as they are: " .. oid, function()
      fuzz(decoder_of(oid), samples[oid], one_way[oid])
    end)
  end
end)

-- Each is the decoder of arrays of integers with a mistake of the kind that decoders have.
local mistakes = {
  ["raises"] = function(text)
    if text:find "%z" then error "a zero byte" end
    return types[1007](text)
  end,
  ["gives nothing"] = function(text)
    if #text > 1 then return types[1007](text) end
  end,
  ["never ends"] = function(text)
    local depth, at = 0, 1
    repeat
      local first = text:sub(at, at)
      depth = depth + (first == "{" and 1 or first == "}" and -1 or 0)
      at = at + 1
    until depth == 0
    return types[1007](text)
  end,
  ["takes one value for another"] = function(text)
    local list = types[1007](text)
    if type(list) == "table" and list[1] == nil then list[1], list.n = 0, 1 end
    if type(list) == "table" and type(list[1]) == "number" then list[1] = -list[1] - 1 end
    return list
  end,
}

describe("the proof", function()
  for _, name in ipairs(names_of(mistakes)) do
    it("finds a decoder that " .. name, function()
      local ok, why = pcall(fuzz, mistakes[name], samples[1007])
      assert.is_false(ok)
      assert.matches("^seed %d+, ", why)
    end)
  end
end)
