-- Types that a database defines itself go to Lua and back, and the server says whether they are the same.
--
-- ROUNDS is how many of each type (10,000), SEED repeats a run.

local assert = require "luassert"
local declared = require "spec.kinds.declared"
local postgres = require "spec.support.postgres"

local ROUNDS = tonumber(os.getenv "ROUNDS") or 10000
local SEED = tonumber(os.getenv "SEED") or os.time()
local BATCH = 250

local random = math.random

-- --- values in the server's words, made without our own encoders --------------------------------------

local function one_of(list) return list[random(#list)] end

local LETTERS = { "a", "B", "\"", "\\", "'", ",", "(", ")", "{", "}", "[", "]", " ", "\n", "\195\164", "=", ">", "0" }

local function text()
  local piece = {}
  for at = 1, random(0, 6) do piece[at] = one_of(LETTERS) end
  return one_of { table.concat(piece), "", "NULL", "null", "empty", "()", table.concat(piece) }
end

local function whole() return tostring(random(-1000, 1000)) end
local function mood() return one_of { "sad", "ok", "very, \"happy\"" } end
local function numeric() return ("%d.%02d"):format(random(-999, 999), random(0, 99)) end
local function boolean() return one_of { "t", "f" } end
local function day() return ("20%02d-%02d-%02d"):format(random(10, 40), random(1, 12), random(1, 28)) end
local function moment() return ("%s %02d:%02d:00+00"):format(day(), random(0, 23), random(0, 59)) end
local function bytes_text() return "\\x" .. ("%02x"):format(random(0, 255)):rep(random(0, 3)) end

local function list(element)
  return function()
    local piece = {}
    for at = 1, random(0, 3) do
      piece[at] = random(6) == 1 and "NULL" or '"' .. element():gsub('["\\]', "\\%0") .. '"'
    end
    return "{" .. table.concat(piece, ",") .. "}"
  end
end

local function row(...)
  local fields = { ... }
  return function()
    local piece = {}
    for at, field in ipairs(fields) do
      piece[at] = random(6) == 1 and "" or '"' .. field():gsub('["\\]', "%0%0") .. '"'
    end
    return "(" .. table.concat(piece, ",") .. ")"
  end
end

-- Bounds in order, so that it is a range.
local function range(bound, compare)
  return function()
    if random(12) == 1 then return "empty" end
    local low, high = bound(), bound()
    if not compare(low, high) then low, high = high, low end
    low = random(6) > 1 and '"' .. low:gsub('["\\]', "\\%0") .. '"' or ""
    high = random(6) > 1 and '"' .. high:gsub('["\\]', "\\%0") .. '"' or ""
    return one_of { "[", "(" } .. low .. "," .. high .. one_of { "]", ")" }
  end
end

local function by_number(a, b) return tonumber(a) < tonumber(b) end
local function by_text(a, b) return a < b end

local function many(one)
  return function()
    local piece = {}
    for at = 1, random(0, 3) do piece[at] = one() end
    return "{" .. table.concat(piece, ",") .. "}"
  end
end

local function hstore()
  local piece = {}
  for at = 1, random(0, 4) do
    local value = random(5) == 1 and "NULL" or '"' .. text():gsub('["\\]', "\\%0") .. '"'
    piece[at] = ('"%d%s"=>%s'):format(at, text():gsub('["\\]', "\\%0"), value)
  end
  return table.concat(piece, ",")
end

local function ltree() return one_of { "a", "a.b", "Top.Science.x_1", "" } end

local point = row(whole, numeric)
local pair = row(text, list(mood), point, moment, boolean, bytes_text)

local types = {
  { "mood", mood }, { "mood[]", list(mood) }, { "positive[]", list(function() return tostring(random(1, 99)) end) },
  { "place", point }, { "place[]", list(point) }, { "thing", pair }, { "thing[]", list(pair) },
  { "nothing", function() return "()" end }, { "tree", row(whole, list(point)) },
  { "int4range", range(whole, by_number) }, { "numrange", range(numeric, by_number) },
  { "daterange", range(day, by_text) }, { "tstzrange", range(moment, by_text) },
  { "int8range[]", list(range(whole, by_number)) }, { "int4multirange", many(range(whole, by_number)) },
  { "datemultirange", many(range(day, by_text)) }, { "words", range(text, by_text) },
  { "words[]", list(range(text, by_text)) }, { "place_range", range(function() return ("(%d,)"):format(random(9)) end, by_text) },
  { "hstore", hstore }, { "hstore[]", list(hstore) }, { "ltree", ltree }, { "ltree[]", list(ltree) },
  { "citext[]", list(text) }, { "box[]", function() return "{(1,1),(0,0);(2,2),(1,1)}" end },
}

-- --- the trip -----------------------------------------------------------------------------------------

local function values_list(columns, kind)
  local rows, number = {}, 0
  for at = 1, BATCH do
    local cells = { tostring(at) }
    for _ = 1, columns do
      number = number + 1
      cells[#cells + 1] = ("$%d::%s"):format(number, kind)
    end
    rows[at] = "(" .. table.concat(cells, ", ") .. ")"
  end
  return table.concat(rows, ", ")
end

local function round(db, kind, generate)
  local originals = {}
  for at = 1, BATCH do originals[at] = random(20) == 1 and null or (generate()) end
  local came = assert(db:query(("select v from (values %s) as x (i, v) order by i"):format(values_list(1, kind)),
    unpack(originals, 1, BATCH)))
  local both = {}
  for at = 1, BATCH do
    both[2 * at - 1], both[2 * at] = originals[at], came[at].v
  end
  local different = assert(db:query(("select i, a::text, b::text from (values %s) as x (i, a, b) where a::text is distinct from b::text")
    :format(values_list(2, kind)), unpack(both, 1, 2 * BATCH)))
  assert(#different == 0, different[1] and ("SEED=%d %s: %s came back as %s"):format(SEED, kind, tostring(different[1].a),
    tostring(different[1].b)))
  return came
end

describe("types of a database", function()
  local server, db, before

  local function declare(name, settings)
    return declared.use(([[postgres %q { host = %q, port = %d, dbname = %q, user = %q, password = %q, %s }]]):format(name,
      server.host, server.port, server.dbname, server.user, server.password, settings or "pool = { max = 1 }"))
  end

  setup(function()
    math.randomseed(SEED)
    server = postgres.start()
    server:psql "create extension hstore; create extension ltree; create extension citext"
    db = declare "postgres_composed"
    assert(db:exec [[create type mood as enum ('sad', 'ok', 'very, "happy"'); create domain positive as int check (value > 0);
      create type place as (x int, "a y" numeric); create type nothing as ();
      create type thing as (name text, moods mood[], at place, since timestamptz, "is" boolean, raw bytea);
      create table tree (id int, gone int, children place[]); alter table tree drop gone; create type words as range (subtype = text, collation = "C");
      create type place_range as range (subtype = place)]])
    before = declared.count()
  end)

  after_each(function() declared.is_whole(before) end)

  for _, one in ipairs(types) do
    local kind, generate = one[1], one[2]
    it(("%s comes back as it was, %d times"):format(kind, ROUNDS), function()
      for _ = 1, math.ceil(ROUNDS / BATCH) do round(db, kind, generate) end
    end)
  end

  it("are values of Lua", function()
    local row_of = assert(db:one [[select array['ok', null]::mood[] as m, row(1, 2.50)::place as p,
      row('x', '{ok}', row(7, null), '2024-01-02 03:04:05+00', true, '\x00')::thing as t,
      int4range(1, 5) as r, tstzrange(null, '2024-01-02 00:00:00+00', '(]') as u, numrange(3, 3) as e,
      int4multirange(int4range(1, 3), int4range(5, null)) as mr, hstore('a', '1') || hstore('b', null) as h,
      array[row(1, 2)::place, null] as ps]])
    assert.same({ 2, "ok", null }, { row_of.m.n, row_of.m[1], row_of.m[2] })
    assert.same({ 1, "2.50" }, { row_of.p.x, row_of.p["a y"] })
    assert.same({ "x", "ok", 7, null, true, "\0" }, { row_of.t.name, row_of.t.moods[1], row_of.t.at.x, row_of.t.at["a y"],
      row_of.t.is, row_of.t.raw })
    assert.equal("2024-01-02 03:04:05+00", tostring(row_of.t.since))
    assert.same({ 1, 5, "[)" }, { row_of.r.lower, row_of.r.upper, row_of.r.bounds })
    assert.same({ nil, "(]" }, { row_of.u.lower, row_of.u.bounds })
    assert.equal("2024-01-02 00:00:00+00", tostring(row_of.u.upper))
    assert.is_true(row_of.e.empty)
    assert.same({ 2, 5, nil }, { #row_of.mr, row_of.mr[2].lower, row_of.mr[2].upper })
    assert.same({ "1", null }, { row_of.h.a, row_of.h.b })
    assert.same({ 2, null }, { row_of.ps[1]["a y"] + 0, row_of.ps[2] })
  end)

  it("are made in Lua", function()
    local hstore_of = db:codec "hstore"
    local rows = {
      { "int4range", _G.range { lower = 1, upper = 5, bounds = "[]" }, "[1,6)" },
      { "int4range", _G.range { lower = 1 }, "[1,)" }, { "int4range", _G.range { empty = true }, "empty" },
      { "words", _G.range { lower = 'a"\\', upper = "b,", bounds = "(]" }, '("a""\\\\","b,"]' },
      { "int4multirange", _G.multirange { _G.range { lower = 1, upper = 2 }, _G.range { lower = 7 } }, "{[1,2),[7,)}" },
      { "place", _G.composite { 1, null }, "(1,)" },
      { "thing", _G.composite { 'a,"', _G.array { "ok" }, _G.composite { 1, 2.5 }, null, true, _G.bytes "\0" },
        [[("a,""",{ok},"(1,2.5)",,t,"\\x00")]] },
      { "place[]", _G.array { _G.composite { 1, 2 }, null }, '{"(1,2)",NULL}' },
      { "hstore", hstore_of { a = 'x"', b = null, c = 1 }, [["a"=>"x\"", "b"=>NULL, "c"=>"1"]] },
    }
    for _, one in ipairs(rows) do
      assert.equal(one[3], db:value(("select (?::%s)::text"):format(one[1]), one[2]))
    end
    local back = db:value "select row('n', null, null, null, false, null)::thing"
    back.name, back.is = "changed", true
    assert.equal("(changed,,,,t,)", db:value("select (?::thing)::text", back))
    assert.equal(_G.range { lower = 1, upper = 6 }, db:value "select int4range(1, 5, '[]')")
  end)
end)
