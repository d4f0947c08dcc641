-- Services from files, read as `nebula serve` reads them, and where their instances are.

local nebula = require "nebula"
local report = require "nebula.declare.report"
local services = require "nebula.service"
local sources = require "nebula.declare.sources"
local tmp = require "spec.support.tmp"

-- What these files declare, and what is wrong with them as lines without the folder.
local function read(files)
  local folder, reports = tmp.folder(), report.new()
  for name, text in pairs(files) do tmp.write(folder, "services/" .. name, text) end
  local list = services.read(sources.others(folder, "services", reports), nebula.environment, reports)
  local lines = {}
  for i, one in ipairs(reports:list() or {}) do lines[i] = tostring(one) end
  return list, table.concat(lines, "\n"):gsub(folder:gsub("%p", "%%%0") .. "/services/", ""), folder
end

local function errors_in(text)
  local _, errors = read { ["a.lua"] = text }
  return errors
end

describe("a service", function()
  it("is declared with what it runs, how many instances, and when it is started again", function()
    local list, errors, folder = read {
      ["b.lua"] = [[
local name = "late"
service(name) { run = function(number) return number end }]],
      ["a.lua"] = [[
service "mail" {
  instances = "per-worker",
  restart = { pause = "1s", pause_max = "1m", steady = "5m" },
  run = print,
}]],
    }
    assert.equal("", errors)
    local mail, late = unpack(list)
    assert.same({ "mail", "per-worker", print, 1 }, { mail.name, mail.instances, mail.run, mail.line })
    assert.same({ pause = 1e6, pause_max = 60e6, steady = 300e6 }, mail.restart)
    assert.same({ "late", 1, 7, folder .. "/services/b.lua", 2 },
      { late.name, late.instances, late.run(7), late.file, late.line })
    assert.same({ pause = 1e5, pause_max = 30e6, steady = 60e6 }, late.restart)
  end)

  it("has the globals of a workflow, and each file its own", function()
    local _, errors = read {
      ["a.lua"] = 'own = 1 service "a" { run = function() sleep "1s" end }',
      ["b.lua"] = 'service "b" { run = function() end } print(own)',
    }
    assert.equal('b.lua:1:1: there is no global "own"', errors:match "^[^;\n]*")
  end)

  it("is refused with the place of everything that is wrong", function()
    assert.equal([[
a.lua:1:1: a.run: is missing
a.lua:2:15: b.run: expected a function, got a string
a.lua:3:15: c.instances: is less than 1; or "per-worker"
a.lua:4:15: d.instances: 1.5 is no whole number; or "per-worker"
a.lua:5:15: e.instances: expected a whole number, got a string; or "per-worker"
a.lua:6:15: f.instnces: unknown setting; did you mean "instances"?
a.lua:7:27: g.restart.pause: "5" will not do: expected a time with its unit (us ms s m h d), such as "250ms" or "10m"
a.lua:8:27: h.restart.pause: is more than pause_max, which is 1s
a.lua:9:27: i.restart.tries: unknown setting; known: pause, pause_max, steady
a.lua:10:27: j.restart.pause: is less than 1ms
a.lua:12:1: k: there is already a service of this name, in a.lua:11
a.lua:13:1: l: has no settings; write service "name" { ... }
a.lua:14:1: 1: a name begins with a letter, goes on with letters, digits, _ - or . and has at most 64 of them
a.lua:15:1: ?: has no name; write service "name" { ... }
a.lua:16:1: m: its settings must be a table; write service "name" { ... }]], errors_in [[
service "a" { }
service "b" { run = "run" }
service "c" { instances = 0, run = print }
service "d" { instances = 1.5, run = print }
service "e" { instances = "two", run = print }
service "f" { instnces = 2, run = print }
service "g" { restart = { pause = "5" }, run = print }
service "h" { restart = { pause = "2s", pause_max = "1s" }, run = print }
service "i" { restart = { tries = 3 }, run = print }
service "j" { restart = { pause = "0s" }, run = print }
service "k" { run = print }
service "k" { run = print }
service "l"
service "1" { run = print }
service(nil) { run = print }
service "m" (print)
]])
  end)

  it("is refused with a metatable in its settings, which nobody would ask", function()
    for text, line in pairs {
      ['\nservice "a" (setmetatable({}, { __index = { run = print } }))'] = 2,
      ['service "a" (setmetatable({ run = print }, { __index = error, __metatable = false }))'] = 1,
      ['service "a" { run = print, restart = setmetatable({}, { __index = { pause = "1s" } }) }'] = 1,
    } do
      assert.equal(("a.lua:%d:1: service \"a\": its settings must be plain tables, and one has a metatable, which nobody asks")
        :format(line), errors_in(text))
    end
    assert.equal("a.lua:1:35: a.t: unknown setting; known: instances, restart, run",
      errors_in 'local t = { run = print } t.t = t service "a" (t)')
  end)

  it("is refused with the files that are no Lua, or raise", function()
    local _, errors = read {
      ["a.lua"] = 'service "a" {\n  run = = 1 }',
      ["b.lua"] = 'local x = nil\nservice "b" { run = print, instances = x.y }',
      ["d.lua"] = 'service "d" { instances = 0, run = print }\nerror { 1 }',
      ["e.lua"] = 'password = "hunter2\n',
    }
    errors = errors:gsub("table: 0x%x+", "TABLE")
    assert.equal([[
a.lua:2:7: unexpected symbol near '='
b.lua:2:1: attempt to index local 'x' (a nil value)
d.lua:1:1: TABLE
d.lua:1:15: d.instances: is less than 1; or "per-worker"
e.lua:1:1: unfinished string]], errors)
  end)

  it("cannot be added later", function()
    local list, errors = read { ["a.lua"] = 'service "a" { run = function() service "b" { run = print } end }' }
    assert.equal("", errors)
    local ok, why = pcall(list[1].run)
    assert.is_false(ok)
    assert.matches("nothing can be added later", why)
  end)

  it("is one of at most 1000", function()
    local errors = errors_in 'for i = 1, 1001 do service("s" .. i) { run = print } end'
    assert.equal("a.lua:1:1: a folder declares at most 1000 services", errors)
  end)

  it("is nothing where there is no folder, and where files declare none", function()
    local reports = report.new()
    assert.equal(0, #sources.others(tmp.folder(), "services", reports))
    assert.is_nil(reports:list())
    assert.same({}, (read { ["a.lua"] = "local x = 1" }))
  end)
end)

describe("the instances", function()
  local function spread(instances, workers, name)
    local counts, seen = {}, {}
    for worker = 0, workers - 1 do
      local numbers = services.placed({ name = name or "mail", instances = instances }, worker, workers)
      counts[#counts + 1] = #numbers
      for _, number in ipairs(numbers) do
        assert.is_nil(seen[number])
        seen[number] = worker
      end
    end
    return counts, seen
  end

  it("are each on one worker, and on each worker as many as on the others, but for one", function()
    for _, workers in ipairs { 1, 2, 3, 8, 64 } do
      for _, instances in ipairs { 1, 2, 7, 64, 100 } do
        local counts, seen = spread(instances, workers)
        assert.equal(instances, #seen)
        table.sort(counts)
        assert.is_true(counts[workers] - counts[1] <= 1)
      end
    end
  end)

  it("begin at a worker that the name says, so that one of each does not crowd the first", function()
    local homes = {}
    for i = 1, 64 do
      local _, seen = spread(1, 4, "service-" .. i)
      homes[seen[1]] = (homes[seen[1]] or 0) + 1
    end
    for worker = 0, 3 do assert.is_true(homes[worker] >= 6, worker) end
  end)

  it("are one in each worker with per-worker", function()
    assert.same({ 1, 1, 1 }, (spread("per-worker", 3)))
  end)
end)
