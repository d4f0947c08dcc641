-- COPY to stdout: pulled by whoever takes it, and left in the middle.

local clock = require "spec.support.clock"
local copied = require "spec.kinds.copied"
local declared = require "spec.kinds.declared"
local errors = require "nebula.error"
local postgres = require "spec.support.postgres"
local tmp = require "spec.support.tmp"

local server = postgres.start()
local declare, fails, raises = copied.declare, copied.fails, copied.raises
local to_stdout = copied.to_stdout

describe("copy_out", function()
  local db

  copied.ground(server)
  setup(function() db = copied.db end)

  before_each(function()
    assert(db:exec "insert into t select i, 'b' || i from generate_series(1, 30000) i")
  end)

  local function whole(sql)
    local list = {}
    for chunk in db:copy_out(sql) do list[#list + 1] = chunk end
    return table.concat(list), #list
  end

  it("gives chunks of whole lines, one after the other", function()
    local text, chunks = whole(to_stdout)
    assert.truthy(chunks >= 4 and chunks <= 7, chunks)
    local at = 0
    for a, b in text:gmatch "(%d+)\t(%w+)\n" do
      at = at + 1
      assert.equal("b" .. a, b)
    end
    assert.equal(30000, at)
    assert.equal("", (whole "copy (select 1 where false) to stdout"))
    assert.equal("a\n", (whole "copy (select 1 as a where false) to stdout csv header"))
  end)

  it("goes to a file or a function, and tells how many rows", function()
    local path = tmp.folder() .. "/t.csv"
    local file = io.open(path, "w")
    assert.equal(30000, db:copy_out("copy t to stdout csv", file))
    file:close()
    assert.equal((whole "copy t to stdout csv"), tmp.read(path))
    local bytes = 0
    assert.equal(30000, db:copy_out(to_stdout, function(chunk) bytes = bytes + #chunk end))
    assert.equal(#whole(to_stdout), bytes)
  end)

  it("gives rows, as lists or by name", function()
    for _, sql in ipairs { to_stdout, "copy t to stdout (format csv)" } do
      local at = 0
      for row in db:copy_out({ rows = true }, sql) do
        at = at + 1
        assert.same({ tostring(at), "b" .. at }, row)
      end
      assert.equal(30000, at)
      assert.same({ a = "1", b = "b1" }, db:copy_out({ columns = { "a", "b" } }, sql):next())
    end
    assert.same({ "1", null, "" }, db:copy_out({ rows = true }, "copy (select 1, null, '') to stdout csv"):next())
  end)

  it("asks for nothing before it is asked, and for no more than that", function()
    local one = declared.use(declare("copy_pulled", "pool = { max = 1 }"))
    local copy = one:copy_out "copy (select repeat('x', 9999) from generate_series(1, 20000)) to stdout"
    assert.equal(0, declared.inspect(one).open)
    assert.truthy(#copy:next() >= 65536)
    clock.eventually("the server waits for us", function()
      return server:psql "select wait_event from pg_stat_activity where application_name = 'nebula copy_pulled'" == "ClientWrite"
    end)
    local pid = server:psql "select pid from pg_stat_activity where application_name = 'nebula copy_pulled'"
    assert.is_true(copy:close())
    assert.is_true(copy:close())
    assert.is_nil(copy:next())
    assert.equal(tonumber(pid), one:value "select pg_backend_pid()")
  end)

  it("frees its connection with the last chunk, whoever leaves it and however", function()
    local one = declared.use(declare("copy_abandoned", "pool = { max = 1 }"))
    local function look()
      local chunks = 0
      for _ in one:copy_out "copy (select repeat('x', 9999) from generate_series(1, 20000)) to stdout" do
        chunks = chunks + 1
        if chunks == 2 then return chunks end
      end
    end
    assert.equal(2, look())
    assert.equal(1, one:value "select 1")
    task(look):join()
    assert.equal(1, one:value "select 1")
    for _ in one:copy_out "copy (select 1) to stdout" do assert.equal(2, one:value "select 2") end
  end)

  it("ends by what its sink says, or the server", function()
    local why = errors.new("storage", "ask", "failed", "the tape is full")
    assert.equal(why, select(2, db:copy_out(to_stdout, function() return nil, why end)))
    raises("so be it", db.copy_out, db, to_stdout, function() error "so be it" end)
    raises("told", db.copy_out, db, { progress = function() error "told" end }, to_stdout, function() end)
    local full = io.open("/dev/full", "w")
    full:setvbuf "no"
    fails("storage", "failed", db:copy_out(to_stdout, full))
    full:close()
    local err = fails("query", "failed",
      db:copy_out("copy (select 1 / (20000 - a) from t) to stdout", function() end))
    assert.equal("22012", err.state)
    fails("query", "failed", db:copy_out("copy nothing to stdout", function() end))
    raises("division by zero", function() for _ in db:copy_out "copy (select 1/0) to stdout" do end end)
  end)

  it("ends at its deadline, and when it writes it may be done", function()
    local function slow() sleep "30ms" end
    fails("deadline", "failed", db:copy_out({ deadline = "50ms" }, to_stdout, slow))
    local many = "copy (select repeat('x', 9999) from generate_series(1, 20000)) to stdout"
    fails("deadline", "failed", deadline("50ms", function() return db:copy_out(many, slow) end))
    assert.equal(1, db:copy_out("copy (insert into t values (0) returning a) to stdout", function() end))
    fails("deadline", "in_doubt", db:copy_out({ deadline = "300ms" },
      "copy (insert into t select 0 from pg_sleep(1) returning a) to stdout", slow))
  end)
end)
