-- What becomes of a mixed load when the file of a SQLite database, or its disk, fails. limit: 300 s
-- alone: it measures how late answers to deadlines are

local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local disk = require "spec.faults.disk"
local ground = require "spec.faults.ground"
local lateness = require "spec.faults.lateness"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local room = disk.small()
local opened = 0

-- The file as this process sees it, on one connection.
local function look_at(file, journal)
  opened = opened + 1
  return declared.use(('sqlite "faults_%d" { file = %q, journal = %q, pool = { max = 1 } }'):format(opened, file,
    journal or "wal"))
end

local function prepare(file, journal)
  assert(look_at(file, journal):exec [[
    create table tally (id integer, how text);
    create table pair (id integer);
    create table upserts (id integer primary key)]])
  return file
end

local function count(has, file, journal)
  local db = look_at(file, journal)
  assert.equal("ok", db:value "pragma integrity_check")
  for _, name in ipairs { "tally", "pair", "upserts" } do
    has[name] = has[name] or {}
    for _, row in ipairs(assert(db:query(("select id, count(*) as n from %s group by id"):format(name)))) do
      has[name][row.id] = (has[name][row.id] or 0) + row.n
    end
  end
  return has
end

describe("a mixed load on SQLite", function()
  local load, file
  local others = {}

  local function begin(settings, more)
    local given = { kind = "sqlite", declare = ([[sqlite "shop" { file = %q, pool = { max = 4, connect = "1s" },
      policy = "faults", %s }]]):format(file, settings or "") }
    for name, value in pairs(more or {}) do given[name] = value end
    load = ground.begin(given)
    return load
  end

  local function hold(role, journal, ...)
    local child = process.start { process.program "nebula-lua", "spec/faults/holder.lua", file, role, journal, ... }
    others[#others + 1] = child
    assert.equal("held", child:line(), (select(2, child:take())))
    return child
  end

  local function has_code(code, outcome)
    return function(one) return one.code == code and one.outcome == outcome end
  end

  local function ends_only(codes, ...)
    load:finish()
    load:ends_only(codes)
    local has = count({}, file, ...)
    ground.agrees(load, has)
    lateness.measure(load)
  end

  setup(function() lateness.watch() end)
  before_each(function() file = prepare(tmp.folder(tmp.MEMORY) .. "/shop.db") end)
  after_each(function()
    for _, other in ipairs(others) do other:kill() end
    others = {}
    load.child:kill()
  end)

  it("runs, and nothing fails", function()
    begin():flows()
    load:flows()
    ends_only ""
  end)

  it("waits for the lock of another process until its deadline, and for one that is killed no longer", function()
    begin(nil, { tasks = 120 }):flows()
    for _ = 1, 2 do
      local from = #load.ends
      local other = hold("writer", "wal", "begin immediate", "insert into tally values (-1, 'another')")
      local locked = load:sees("it is locked", has_code("locked", "failed"), from)
      assert.equal("wait", locked.action)
      assert.equal("5", locked.state)
      load:flows { "select" }
      clock.pause(2000)
      other:kill()
      load:flows()
    end
    ends_only "locked deadline"
  end)

  it("waits for the lock of another process on all of the file, reading too", function()
    file = prepare(tmp.folder(tmp.MEMORY) .. "/rollback.db", "delete")
    begin([[journal = "delete"]], { tasks = 60 }):flows()
    local from = #load.ends
    local other = hold("writer", "delete", "begin exclusive", "insert into tally values (-1, 'another')")
    load:sees("it is locked", has_code("locked", "failed"), from)
    load:sees("it is locked for readers", function(one) return one.how == "select" and one.code == "locked" end, from)
    clock.pause(1000)
    other:kill()
    load:flows()
    ends_only("locked deadline", "delete")
  end)

  it("does not mind a reader of another process, nor that it is killed", function()
    begin():flows()
    local other = hold("reader", "wal", "begin", "select count(*) from tally")
    load:flows()
    other:kill()
    load:flows()
    ends_only ""
  end)

  -- While somebody writes, SQLite itself cannot stand that; while the resource is paused, nobody does.
  it("notices that its file was replaced, and goes on with the new one", function()
    begin():flows()
    local away = tmp.folder(tmp.MEMORY) .. "/shop.db"
    load:tell "pause"
    clock.eventually("nobody has a lease", function()
      return load:inspect().pools[1].leased + load:inspect().pools[2].leased == 0
    end)
    for _, part in ipairs { "", "-wal", "-shm" } do os.rename(file .. part, away .. part) end
    prepare(file)
    load:sees("what waits is told why", has_code("paused", "failed"))
    load:tell "resume"
    load:flows()
    load:finish()
    load:ends_only "paused lost deadline"
    local has = count({}, file)
    for _, name in ipairs { "tally", "pair", "upserts" } do assert.is_not_nil(next(has[name])) end
    ground.agrees(load, count(has, away))
    lateness.measure(load)
  end)

  it("notices that its file was deleted, and says what is missing", function()
    begin("create = false"):flows()
    local from = #load.ends
    for _, part in ipairs { "", "-wal", "-shm" } do os.remove(file .. part) end
    load:sees("it is not there", has_code("unreachable", "failed"), from)
    prepare(file)
    load:flows()
    load:finish()
    load:ends_only "lost unreachable query deadline"
    lateness.measure(load)
  end)

  local on_disk = room and it or pending
  on_disk("is refused what needs room on a full disk (needs the right to mount one), and nothing else", function()
    file = prepare(room.folder .. "/shop.db")
    begin():flows()
    local from = #load.ends
    room:fill()
    local full = load:sees("there is no room", has_code("storage", "failed"), from)
    assert.equal("ask", full.action)
    load:flows { "select" }
    room:empty()
    load:flows()
    ends_only "storage deadline"
  end)

  it("was answered in time, whatever failed", function() lateness.is_in_time(200) end)
end)
