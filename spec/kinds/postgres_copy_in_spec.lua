-- COPY from stdin: whatever gives the input, and what it says when that is wrong.

local copied = require "spec.kinds.copied"
local errors = require "nebula.error"
local postgres = require "spec.support.postgres"
local tmp = require "spec.support.tmp"

local server = postgres.start()
local count, fails, raises = copied.count, copied.fails, copied.raises
local from_stdin = copied.from_stdin

describe("copy_in", function()
  local db

  copied.ground(server)
  setup(function() db = copied.db end)

  it("takes its input from whatever gives it", function()
    local path = tmp.write(tmp.folder(), "t.tsv", "7\tseven\n8\teight\n")
    local function counter(fn)
      local at = 0
      return function()
        at = at + 1
        return at <= 2 and fn(at) or nil
      end
    end
    for what, source in pairs {
      ["a string"] = function() return "1\tx\n2\ty\n" end,
      ["a list of bytes"] = function() return { "1\t", "x\n2", "\ty\n" } end,
      ["a list of rows"] = function() return { { 1, "x" }, { 2, "y" } } end,
      ["rows and bytes"] = function() return { { 1, "x" }, "2\ty\n" } end,
      ["a file"] = function() return io.open(path) end,
      ["a function of bytes"] = function() return counter(function(at) return at .. "\tx\n" end) end,
      ["a function of rows"] = function() return counter(function(at) return { at, "x" } end) end,
      ["a COPY"] = function() return db:copy_out "copy (select i, 'x' from generate_series(1, 2) i) to stdout" end,
    } do
      assert.equal(2, assert(db:copy_in(from_stdin, source())), what)
      assert.equal(2, count(), what)
      assert(db:exec "truncate t")
    end
  end)

  it("takes rows by name, from another statement too", function()
    local rows = db:stream "select i as a, 'b' || i as b from generate_series(1, 1200) i"
    assert.equal(1200, db:copy_in({ columns = { "b", "a" } }, "copy t (b, a) from stdin (format csv)", rows))
    assert.same({ { a = 1200, b = "b1200" } }, db:query "select * from t order by a desc limit 1")
  end)

  it("is pushed, and finished", function()
    local copy = assert(db:copy_in(from_stdin))
    assert.is_true(copy:push "1\tx\n")
    assert.is_true(copy:push { 2, null })
    assert.equal(0, count())
    assert.equal(2, copy:finish())
    assert.equal(2, count())
    raises("has ended already", copy.push, copy, "3\tz\n")
    raises("has ended already", copy.finish, copy)
    assert.is_true(copy:close())
    assert.equal(0, db:copy_in(from_stdin, ""))
    assert.equal(0, db:copy_in(from_stdin, {}))
  end)

  it("brings every value as it was, in every format", function()
    assert(db:exec [[drop table if exists v; create table v (id int, i bigint, f float8, n numeric, t text, b bytea,
      j jsonb, l text[], d timestamptz, o bool)]])
    local function row(id)
      return { id, 9007199254740993LL, 0.1, "1.50", "a\tb\n\\N", bytes "\0\255\\", { k = { 1, "x" } },
        array { 'a"', null, "b\\" }, db:value "select timestamptz '2024-02-29 12:00:00.5+01'", true }
    end
    assert.equal(2, db:copy_in("copy v from stdin", { row(1), row(2) }))
    assert.equal(2, db:copy_in("copy v from stdin csv", { row(3), row(4) }))
    local chunks = {}
    assert.equal(1, db:copy_out("copy (select * from v where id = 1) to stdout (format binary)", function(chunk)
      chunks[#chunks + 1] = chunk
    end))
    assert.equal(1, db:copy_in("copy v from stdin (format binary)", chunks))
    assert.equal(1, db:value "select count(*) from (select distinct i, f, n, t, b, j, l, d, o from v) x")
    local one = db:one "select * from v limit 1"
    assert.equal(9007199254740993LL, one.i)
    assert.equal("a\tb\n\\N", one.t)
    assert.equal("\0\255\\", one.b)
    assert.same({ "x" }, { one.j.k[2] })
  end)

  it("tells the line and the column of the input that is wrong, and does nothing", function()
    local err = fails("query", "failed", db:copy_in(from_stdin, { { 1, "x" }, { 2, "y" }, { "three", "z" } }))
    assert.same({ 3, "a", "22P02", "copy", "copy t from stdin" },
      { err.line, err.column, err.state, err.resource, err.statement })
    assert.matches("line 3 of the input, column a", tostring(err))
    err = fails("query", "failed", db:copy_in("copy t from stdin csv", '0,z\n1,"two\nlines"\n2\n'))
    assert.same({ 4 }, { err.line, err.column })
    err = fails("query", "failed", db:copy_in("copy t from stdin", "1\tx\r\n2\ty\n")) -- the server's hint ends in a full stop
    assert.matches('to represent newline, line 2 of the input', tostring(err), 1, true)
    err = fails("query", "failed", db:copy_in("copy nothing from stdin", "1\n"))
    assert.same({}, { err.line, err.column })
    assert.equal(0, count())
  end)

  it("asks a long source for no more when the server has found a mistake", function()
    local block = ("1\tx\n"):rep(16384)
    for _, on in ipairs { db, assert(db:lease()) } do
      local given = 0
      local err = fails("query", "failed", on:copy_in(from_stdin, function()
        given = given + 1
        return given == 1 and "1\tx\n2\ty\nthree\tz\n" .. block or given <= 16384 and block or nil
      end))
      assert.same({ 3, "a", "22P02" }, { err.line, err.column, err.state })
      assert.truthy(given < 800, given) -- of a gigabyte, some of what the buffers on the way hold
      assert.equal(0, on:value "select count(*) from t")
      if on ~= db then assert(on:release()) end
    end
  end)

  it("tells who pushes by himself, and once", function()
    local copy = assert(db:copy_in(from_stdin))
    local block = ("1\tx\n"):rep(16384)
    local ok, err = copy:push("bad\tx\n" .. block)
    while ok do ok, err = copy:push(block) end
    fails("query", "failed", ok, err)
    assert.equal(1, err.line)
    assert.equal(err, select(2, copy:push "2\ty\n"))
    assert.equal(err, select(2, copy:finish()))
    assert.is_true(copy:close())
    assert.equal(0, count())
  end)

  it("ends by what its source, or who is told of it, says", function()
    local why = errors.new("storage", "ask", "failed", "the tape is torn")
    local asked = 0
    local function torn()
      asked = asked + 1
      if asked == 2 then return nil, why end
      return "1\tx\n"
    end
    assert.equal(why, select(2, db:copy_in(from_stdin, torn)))
    raises("so be it", db.copy_in, db, from_stdin, function() error "so be it" end)
    raises("told", db.copy_in, db, { progress = function() error "told" end }, from_stdin, "1\tx\n")
    raises("told", db.copy_in, db, { progress = function() error "told" end }, from_stdin, function()
      sleep "20ms"
      return "1\t" .. ("x"):rep(65536) .. "\n"
    end)
    fails("storage", "failed", db:copy_in(from_stdin, io.open(tmp.folder())))
    fails("query", "failed", db:copy_in({ columns = { "a" } }, "copy t (a) from stdin", db:stream "select 1/0 as a"))
    assert.equal(0, count())
  end)
end)
