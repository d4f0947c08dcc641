-- What a COPY says of itself, and rows as its lines: without a server.

local copy_rows = require "nebula.sql.copy_rows"
local copying = require "nebula.sql.copying"
local statement = require "nebula.sql.statement"
local time = require "nebula.sql.types.time"
local tokens = require "nebula.sql.tokens"
local values = require "nebula.value"

local null = values.null

describe("the words of a COPY", function()
  local rows = {
    { "copy t from stdin", "in text" },
    { "COPY t (a, b) FROM STDIN", "in text" },
    { "-- so\n copy /* from stdin */ t to stdout", "out text" },
    { "copy t to stdin", "out text" }, -- the server takes either name for the client
    { "copy t from stdin csv", "in csv" },
    { "copy t from stdin with (format csv, force_null (a))", "in csv" },
    { "copy t from stdin (format 'CSV', freeze)", "in csv" },
    { "copy t to stdout (format binary)", "out binary" },
    { "copy binary t to stdout", "out binary" },
    { "copy t from stdin csv header", "in csv header" },
    { "copy t from stdin (delimiter ';', null '-')", "in text delimiter" },
    { "copy t from stdin with null as 'csv'", "in csv null" }, -- careful: what differs is refused with rows
    { "copy t from stdin where header > 1", "in text" },
    { "copy t from stdin (format csv, force_not_null (\"null\"))", "in csv" },
    { "copy (select \"from stdin\", ' from stdin ' from csv) to stdout", "out text" },
    { "copy (select a from stdin) to stdout", "out text" },
    { "copy t from '/tmp/t'", "none" },
    { "copy t to program 'cat'", "none" },
    { "copy t", "none" },
    { "copy", "none" },
    { "select 'copy t from stdin'", "none" },
    { "insert into t select * from stdin", "none" },
    { "", "none" },
  }

  it("tell which way it goes and how its lines are", function()
    for _, row in ipairs(rows) do
      local it = copying.of(row[1], tokens.dialects.postgres)
      local said = it and it.direction .. " " .. it.format .. (it.differs and " " .. it.differs or "") or "none"
      assert.equal(row[2], said, row[1])
    end
  end)

  it("tell what it is about, where its types must be asked for", function()
    for sql, said in pairs {
      ["copy t from stdin binary"] = "t",
      ["copy binary public.T (a, \"B \"\"c\"\"\", D) to stdout"] = 'public.T a/B "c"/d',
      ["copy /* from */ \"from\" . \"to\"(x) from stdin (format binary)"] = '"from"."to" x',
      ["copy t from stdin"] = "none",
      ["copy (select 1) to stdout binary"] = "none",
    } do
      local it = copying.of(sql, tokens.dialects.postgres).table
      local names = it and it.columns and " " .. table.concat(it.columns, "/") or ""
      assert.equal(said, it and it.name .. names or "none", sql)
    end
  end)

  it("tell whether it only reads", function()
    for sql, effect in pairs {
      ["copy t to stdout"] = "read",
      ["copy (select a from t) to stdout"] = "read",
      ["copy (select now(), (select 1)) to stdout"] = "read",
      ["copy (select charge(1)) to stdout"] = "unknown",
      ["copy (insert into t values (1) returning a) to stdout"] = "write",
      ["copy t from stdin"] = "write",
    } do
      assert.equal(effect, statement.of(sql, "postgres").effect, sql)
    end
  end)
end)

local written = copy_rows.line

describe("rows as lines", function()
  local all = {
    { "a", 'a', '"a"' },
    { "", "", '""' },
    { null, "\\N", "" },
    { "\\N", "\\\\N", '"\\N"' },
    { "\\.", "\\\\.", '"\\."' },
    { "a\tb\nc\rd\\e", "a\\tb\\nc\\rd\\\\e", '"a\tb\nc\rd\\e"' },
    { 'say "x", so', 'say "x", so', '"say ""x"", so"' },
    { 7, "7", "7" },
    { -0.5, "-0.5", "-0.5" },
    { 9007199254740993LL, "9007199254740993", '"9007199254740993"' },
    { true, "true", "true" },
    { false, "false", "false" },
    { values.bytes "\0a", "\\\\x0061", '"\\x0061"' },
    { values.array { 1, null, 'x"' }, '{1,NULL,"x\\\\""}', '"{1,NULL,""x\\""""}"' },
    { { a = 1 }, '{"a":1}', '"{""a"":1}"' },
    { time.moment("date", "2024-02-29"), "2024-02-29", '"2024-02-29"' },
  }

  it("have each value in the server's words", function()
    for _, row in ipairs(all) do
      assert.equal(row[2] .. "\n", written("text", { row[1] }))
      assert.equal(row[3] .. "\n", written("csv", { row[1] }))
      assert.equal("1\t" .. row[2] .. "\n", written("text", { 1, row[1] }))
    end
  end)

  it("are read again as what they were, where that are strings", function()
    for _, format in ipairs { "text", "csv" } do
      local lines, expected = {}, {}
      for at, row in ipairs(all) do
        local value = row[1]
        if type(value) == "string" or value == null then
          expected[#expected + 1] = { value, tostring(at), value }
          lines[#lines + 1] = written(format, expected[#expected])
        end
      end
      local text = table.concat(lines)
      local got, rest = copy_rows.all(format, text)
      assert.same(expected, got)
      assert.equal("", rest)
      for cut = 0, #text - 1 do -- what is no whole row yet waits for the rest of it
        local head, tail = copy_rows.all(format, text:sub(1, cut))
        local more = copy_rows.all(format, tail .. text:sub(cut + 1))
        assert.equal(#expected, #head + #more, format .. cut)
      end
    end
  end)

  it("may have names", function()
    assert.equal("1\tx\n", written("text", { b = "x", a = 1, c = 9 }, { "a", "b" }))
    assert.equal("1\tx\n", written("text", { 1, "x" }, { "a", "b" }))
    assert.same({ { a = "1", b = null } }, (copy_rows.all("text", "1\t\\N\n", { "a", "b" })))
  end)

  it("raise what they cannot be", function()
    for _, row in ipairs {
      { { 1, nil, 3, n = 3 }, nil, "value 2 of the row is nil: for a NULL write null" },
      { {}, nil, "a row has no values" },
      { { a = 1 }, nil, "needs the option columns" },
      { { a = 1 }, { "a", "b" }, "value 2 of the row is nil" },
      { { print }, nil, "value 1 of the row is a function" },
      { { 1, { print } }, nil, "value 2 of the row: a function is nothing" },
    } do
      local ok, why = pcall(written, "text", row[1], row[2])
      assert.is_false(ok)
      assert.matches(row[3], why)
    end
    local ok, why = pcall(copy_rows.all, "text", "1\t2\n", { "a" })
    assert.is_false(ok)
    assert.matches("columns has 1 names, and a row 2 values", why)
  end)
end)
