-- Rows in the format binary: every type as a statement brings it, both ways, and what does not fit. limit: 300 s

local copied = require "spec.kinds.copied"
local postgres = require "spec.support.postgres"

local server = postgres.start()
local count, fails, raises = copied.count, copied.fails, copied.raises

-- A column of each type that has a binary form here, and values in the server's words, which may be given as those if
-- they are not made of others.
local columns = {
  { "bool", "t", "f" },
  { "bytea", "\\x00ff5c", "\\x", "\\x5c7865" },
  { '"char"', "x", "" },
  { "name", "a name" },
  { "int2", "0", "-32768", "32767", "-1", "255", "256", "-256" },
  { "int4", "0", "-2147483648", "2147483647", "65536", "-65537", "-1" },
  { "int8", "0", "-9223372036854775808", "9223372036854775807", "4294967296", "-4294967297", "-1", "9007199254740993" },
  { "oid", "0", "4294967295", "65536" },
  { "float4", "0.1", "-0", "NaN", "Infinity", "-Infinity", "1e-45", "3.4028235e+38", "16777217", "123456.79" },
  { "float8", "0.1", "-0", "NaN", "Infinity", "-Infinity", "5e-324", "1.7976931348623157e+308", "1e15", "-1234.5678" },
  { "numeric", "0", "0.00", "-1.50", "12345678901234567890.0001", "0.0001", "1e40", "-1e-40", "NaN", "Infinity",
    "10000", "0.10000", "99999999.99990000", "1000000000000" },
  { "numeric(10,3)", "1.5", "-0.001", "1000000" },
  { "text", "", "a\tb\n\\N", "NULL", "häß" },
  { "varchar(9)", "x" },
  { "char(5)", "x" },
  { "json", '{"a":[1,null,"x"]}', "null", "[]", "3" },
  { "jsonb", '{"a": [1, null, "x"], "b": {}}', "null", "[]", "-1.5" },
  { "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-00000000000f" },
  { "inet", "10.0.0.1", "10.1.2.3/8", "::", "::1", "2001:db8::7:0:0:1", "1:2:3:4:5:6:7:8/64", "::ffff:1.2.3.4",
    "fe80:0:0:1::", "::1.2.3.4", "0.0.0.0/0" },
  { "cidr", "10.0.0.0/8", "192.168.1.1/32", "2001:db8::/32", "::/0" },
  { "inet[]", "{10.0.0.1,NULL}" },
  { "date", "2024-02-29", "1999-12-31", "0001-01-01", "4713-01-01 BC", "infinity", "-infinity", "5874897-12-31" },
  { "time", "00:00:00", "12:34:56.789", "24:00:00", "00:00:00.000001" },
  { "timetz", "12:34:56.5+02", "00:00:00-03:30", "01:02:03+00", "01:02:03-15:59:59" },
  { "timestamp", "2024-02-29 12:00:00.5", "1999-12-31 23:59:59.999999", "4713-01-01 00:00:00 BC", "infinity",
    "294276-12-31 23:59:59.999999" },
  { "timestamptz", "2024-02-29 12:00:00.5+01", "1970-01-01 00:00:00+00", "-infinity", "0044-03-15 12:00:00+00 BC" },
  { "interval", "1 year 2 mons -3 days 04:05:06.000007", "-00:00:00.000001", "00:00:00", "-178000 years" },
  { "int4range", "[1,5)", "empty", "(,)", "[7,)" },
  { "numrange", "(1.5,2.50]", "[,3)" },
  { "daterange", "[2024-01-01,2024-02-01)" },
  { "tstzrange", '["2024-01-01 00:00:00+00",)' },
  { "int8multirange", "{}", "{[1,3),[5,9)}", "{(,2)}" },
  { "int4[]", "{}", "{1,NULL,3}", "{{1,2},{3,4}}", "[0:1]={7,8}", "[2:2][-1:0]={{5,6}}" },
  { "text[]", '{"a,b","NULL",NULL,"",\\"}', "{}" },
  { "bytea[]", '{"\\\\x00ff",NULL}' },
  { "jsonb[]", '{"{\\"a\\": 1}","null"}' },
  { "numrange[]", '{"[1,2)",empty}' },
  { "mood", "sad", "oh, joy" },
  { "address", '("Main ""Street"" 5",12,)', "(,,)", '(a\\\\b,0,"{1,2}")' },
  { "address[]", '{"(a,1,)",NULL}' },
  { "small", "7" },
  { "moodrange", "[sad,\"oh, joy\")" },
}

describe("binary rows", function()
  local db

  copied.ground(server)
  setup(function()
    db = copied.db
    assert(db:exec [[
      create type mood as enum ('sad', 'oh, joy');
      create type address as (street text, number int, "More Things" int[]);
      create domain small as int2 check (value < 100);
      create type moodrange as range (subtype = mood)]])
  end)

  -- What the server thinks of both: the same, word for word.
  local function is_same(type_name, from, to)
    local sql = ("select count(*) from %s a full join %s b on a.id = b.id where a.v::text is distinct from b.v::text")
      :format(from, to)
    assert.equal(0, db:value(sql), type_name)
  end

  local function taken(type_name, sql, deep)
    local by_stream, by_copy = {}, {}
    for row in db:stream "select id, v from source order by id" do by_stream[#by_stream + 1] = row end
    for row in db:copy_out({ columns = { "id", "v" } }, sql) do by_copy[#by_copy + 1] = row end
    assert.equal(#by_stream, #by_copy, type_name)
    for at, row in ipairs(by_stream) do
      local one, other = row.v, by_copy[at].v
      assert.equal(type(one), type(other), type_name)
      assert.equal(getmetatable(one) == nil, getmetatable(other) == nil, type_name)
      if one == one then deep(one, other, ("%s %s"):format(type_name, tostring(one))) end
    end
    return by_stream
  end

  it("bring every value as a statement does, and take it from whoever has it", function()
    for _, column in ipairs(columns) do
      local name = column[1]
      assert(db:exec(([[drop table if exists source, streamed, again, worded;
        create table source (id int, v %s); create table streamed (like source); create table again (like source);
        create table worded (like source)]]):format(name)))
      local words, are_made = {}, name:find "range" or name:find "%[" or name == "address"
      for at = 2, #column do
        assert(db:exec(("insert into source values (%d, $1::text::%s)"):format(at, name), column[at]))
        local value = db:value("select v from source where id = ?", at)
      words[#words + 1] = { at, (are_made or name == "bytea") and value or column[at] }
      end
      assert(db:exec "insert into source values (0, null)")
      words[#words + 1] = { 0, null }
      local rows = taken(name, "copy (select id, v from source order by id) to stdout (format binary)", assert.same)
      assert.equal(#rows, db:copy_in({ columns = { "id", "v" } }, "copy streamed from stdin binary", rows), name)
      is_same(name, "source", "streamed")
      local list = db:copy_out({ rows = true }, "copy source to stdout binary")
      assert.equal(#rows, db:copy_in({ rows = true }, "copy again (id, v) from stdin (format binary)", list), name)
      is_same(name, "source", "again")
      assert.equal(#words, db:copy_in({ rows = true }, "copy worded from stdin (format binary)", words), name)
      is_same(name, "source", "worded")
    end
  end)

  it("like others bring a document that is a truth, but a string alone is words", function()
    assert(db:exec [[drop table if exists source, again; create table source (a jsonb, b bool, c jsonb[], d text);
      insert into source values ('true', true, '{true,null,"[\"x\"]"}', 'true'); create table again (like source)]])
    local names = { "a", "b", "c", "d" }
    for _, format in ipairs { "text", "csv", "binary" } do
      local copy, said = ("copy again from stdin (format %s)"):format(format), { columns = names }
      assert.equal(1, db:copy_in(said, copy, db:stream "select a, b, c, d from source"))
      assert.equal(1, db:copy_in(said, copy, { { true, true, array { true }, true } }))
      assert.equal(1, db:value "select count(*) from again join source using (a, b, c, d)", format)
      assert.equal(2, db:value "select count(*) from again where a = 'true' and b and d = 'true'", format)
      fails("query", "failed", db:copy_in(said, copy, { { "x", true, array {}, "" } }))
      assert.equal(1, db:copy_in(said, copy, { { '"x"', false, array { '"1"' }, "" } }))
      assert.equal("string string", db:value "select jsonb_typeof(a) || ' ' || jsonb_typeof(c[1]) from again where not b")
      assert(db:exec "truncate again")
    end
  end)

  it("take the values that fit, and say where one does not", function()
    assert(db:exec [[drop table if exists s; create table s (a int2, b numeric, c date, d bool, e int[], f uuid,
      g timestamptz, h float4, i json, j int8, k inet)]])
    local function row(at, value)
      local list = { null, null, null, null, null, null, null, null, null, null, null }
      list[at] = value
      return list
    end
    for _, case in ipairs {
      { 1, 70000, "between" }, { 1, 1.5, "no whole number" }, { 1, "1x", "no whole number" }, { 1, true, "no whole" },
      { 2, "1.2.3", "no number" }, { 2, {}, "no number" }, { 3, "2024-02-30", "ISO" }, { 3, "today", "ISO" },
      { 4, 2, "neither true" }, { 5, "{1,2}", "array{...}" }, { 5, array { 1, "x" }, "whole" },
      { 5, array { array { 1 }, array { 1, 2 } }, "one size" }, { 6, "x", "no uuid" }, { 7, "2024-01-01 00:00:00", "ISO" },
      { 7, "2024-01-01 25:00:00+00", "ISO" }, { 8, 1e39, "out of range" }, { 8, "1e-50", "out of range" }, { 8, 1e-50, "out of range" },
      { 5, array { array {}, array { 1 } }, "one size" }, { 5, array { array {}, array {} }, "nothing in it" },
      { 3, "99999999-01-01", "days" }, { 9, bytes "x", "bytes" },
      { 11, "10.0.0.256", "no address" }, { 11, "1:2", "no address" }, { 11, "1.2.3.4::1", "no address" },
      { 11, "10.0.0.1/33", "no address" }, { 11, "x", "no address" }, { 11, "::1::", "no address" },
      { 10, "9223372036854775808", "64 bits" }, { 10, "x", "whole" },
    } do
      local err = fails("query", "failed", db:copy_in({ rows = true }, "copy s from stdin binary",
        { row(1, 1), row(1, 2), row(case[1], case[2]) }))
      assert.equal(3, err.line)
      assert.equal(("abcdefghijk"):sub(case[1], case[1]), err.column)
      assert.truthy(err.text:find(case[3], 1, true), err.text)
      assert.matches("line 3 of the input, column", tostring(err))
      assert.equal("copy", err.resource)
    end
    local err = fails("query", "failed", db:copy_in({ rows = true }, "copy t from stdin binary", { { 1, "x" }, { 2 } }))
    assert.same({ 2 }, { err.line, err.column })
    assert.matches("1 values, and the statement 2 columns", err.text)
    raises("value 2 of the row is nil", db.copy_in, db, { columns = { "a", "b" } }, "copy t from stdin binary", { { a = 1 } })
    raises("value 1 of the row is a function", db.copy_in, db, { rows = true }, "copy t from stdin binary", { { print, 1 } })
    assert.equal(0, db:value "select count(*) from s")
    assert.equal(0, count())
  end)

  it("tell the row that the server does not take", function()
    assert(db:exec "drop table if exists s; create table s (a small, m mood, unique (a))")
    local function input(value, mood) return { { 1, "sad" }, { value, mood or "sad" } } end
    for _, case in ipairs { { 1, nil, "constraint", "23505" }, { 100, nil, "constraint", "23514" }, { 2, "glad", "query", "22P02" } } do
      local err = fails(case[3], "failed", db:copy_in({ rows = true }, "copy s from stdin binary", input(case[1], case[2])))
      assert.same({ 2, case[4] }, { err.line, err.state })
    end
  end)

  it("are as the statement names its columns, without those that are calculated", function()
    assert(db:exec [[drop table if exists "My ""Table"; create table "My ""Table" (a int, "B c" text,
      gone int, d int generated always as (a + 1) stored); alter table "My ""Table" drop column gone]])
    local copy = 'copy public . "My ""Table" %s stdin (format binary)'
    assert.equal(1, db:copy_in({ rows = true }, copy:format "from", { { 1, "x" } }))
    assert.equal(1, db:copy_in({ columns = { "text", "number" } }, copy:gsub('""Table"', '%0 ("B c", /* and */ A)'):format "from",
      { { number = 2, text = "y" } }))
    local rows = {}
    for row in db:copy_out({ rows = true }, copy:gsub("stdin", "stdout"):format "to") do rows[#rows + 1] = row end
    assert.same({ { 1, "x" }, { 2, "y" } }, rows)
    fails("query", "failed", db:copy_in({ rows = true }, "copy t (a, nothing) from stdin binary", { { 1, 2 } }))
    fails("query", "failed", db:copy_in({ rows = true }, "copy nothing from stdin binary", { { 1, 2 } }))
    assert(db:exec "drop table if exists s; create table s (a int); revoke select on s from current_user")
    assert.equal(1, db:copy_in({ rows = true }, "copy s from stdin binary", { { 1 } })) -- who may only write
    fails("usage", "failed", db:copy_in({ columns = { "a" } }, "copy t from stdin binary", { { 1 } }))
  end)

  it("of a query are asked for without its being done", function()
    assert(db:exec "drop sequence if exists n; create sequence n")
    local copy = db:copy_out({ rows = true }, "copy (select nextval('n') as n, 'x?' as \"a?\" -- so\n) to stdout binary")
    assert.same({ 1, "x?" }, copy:next())
    assert.is_nil(copy:next())
    assert.equal(1, db:value "select last_value from n")
    local one = {}
    assert.equal(0, db:copy_out({ rows = true }, "copy (select 1 where false) to stdout binary", function(row) one[#one + 1] = row end))
    assert.equal(0, #one)
    local err = fails("usage", "failed", db:copy_out({ rows = true },
      "copy (insert into t values (1) returning a) to stdout binary", print))
    assert.matches("what writes", err.text)
    assert.equal(0, count())
  end)

  it("of types without such a form are refused by name, in both directions, and chunks are not", function()
    db:codec("address", { decode = function(text) return text end })
    assert(db:exec "drop table if exists s; create table s (a int, p point, m address); drop table if exists m; create table m (m money[])")
    assert(db:query "select p from s") -- seen before
    for column, type_name in pairs { p = "point", m = "address" } do
      local err = fails("usage", "failed", db:copy_in({ rows = true }, ("copy s (%s) from stdin binary"):format(column), {}))
      assert.matches(("column %s: .* of type %s"):format(column, type_name), err.text)
      fails("usage", "failed", db:copy_out({ rows = true }, ("copy (select %s from s) to stdout binary"):format(column), print))
    end
    fails("usage", "failed", db:copy_in({ rows = true }, "copy m from stdin binary", {}))
    assert.equal(0, db:copy_in("copy s from stdin binary", db:copy_out "copy s to stdout binary"))
  end)

  it("are many, and large, and counted", function()
    local told, at = {}, 0
    assert.equal(30000, db:copy_in({ rows = true, progress = function(...) told[#told + 1] = { ... } end },
      "copy t from stdin binary", function()
        at = at + 1
        return at <= 30000 and { at, at % 5000 == 0 and ("x"):rep(300000) or "b" .. at } or nil
      end))
    assert.equal(30000, told[#told][1])
    local sum, long = 0, 0
    assert.equal(30000, db:copy_out({ columns = { "a", "b" } }, "copy t to stdout binary", function(row)
      sum = sum + row.a
      if #row.b == 300000 then long = long + 1 end
    end))
    assert.same({ 30000 * 30001 / 2, 6 }, { sum, long })
    local copy = db:copy_out({ rows = true }, "copy t to stdout binary")
    assert.same({ 1, "b1" }, copy:next())
    assert.is_true(copy:close())
    assert.is_nil(copy:next())
  end)

  it("are those of now, in a transaction and after a change", function()
    for _ = 1, 2 do
      db:transaction(function(tx)
        assert(tx:exec "create type pair as (x int, y text); create table pairs (p pair)")
        assert.equal(1, tx:copy_in({ rows = true }, "copy pairs from stdin binary", { { { x = 1, y = "z" } } }))
        assert(tx:exec "alter type pair add attribute z date")
        local row = tx:copy_out({ rows = true }, "copy pairs to stdout binary"):next()
        assert.same({ 1, "z", null }, { row[1].x, row[1].y, row[1].z })
        return nil, "no"
      end)
    end
  end)
end)
