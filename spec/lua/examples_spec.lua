-- Every example says what it should, on SQLite and on PostgreSQL: only the declaration differs. limit: 400 s

local page = require "spec.support.page"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local expected = require "spec.lua.examples_expected"

local NEBULA = process.program "nebula"
local QUIET = { "--log-level", "error" }

local server = postgres.start()
-- The shipped declaration as it is, and what stands in its comment with the address of the spec's server.
local declared = {
  sqlite = tmp.read "examples/resources/shop.lua",
  postgresql = ([[postgres "shop" { host = %q, port = %d, dbname = %q, user = %q, password = env "SHOP_PASSWORD",
    pool = { max = 8 }, policy = "database" }]]):format(server.host, server.port, server.dbname, server.user),
}

local function folder_for(kind)
  local folder = tmp.folder()
  tmp.write(folder, "resources/shop.lua", declared[kind])
  return folder
end

local function run_in(workers, folder, file, ...)
  local words = { NEBULA, "run", "--workers", tostring(workers), "--dir", folder, QUIET[1], QUIET[2],
    "examples/" .. file .. ".lua", ... }
  words.env = { SHOP_FILE = folder .. "/shop.db", SHOP_PASSWORD = server.password, NEBULA_RUN_DIR = folder }
  words.within = 120000
  local ran = process.run(words)
  assert.equal("", ran.errors)
  assert.equal(0, ran.code)
  return ran.output
end

local function run(...) return run_in(1, ...) end

local function examples()
  local list = {}
  for path in io.popen("ls examples/*.lua"):lines() do list[#list + 1] = path:match "([^/]*)%.lua$" end
  return list
end

describe("the examples", function()
  local data

  setup(function() data = tmp.folder() end)

  it("are all known here", function()
    local known = { "generate", "import_and_report" }
    for name in pairs(expected.prints) do known[#known + 1] = name end
    table.sort(known)
    assert.same(known, examples())
  end)

  it("generate the same data for everybody", function()
    local folder = folder_for "sqlite"
    assert.equal(([[
FOLDER/customers.tsv: 2500 rows
FOLDER/products.tsv: 240 rows
FOLDER/orders.tsv: 120000 rows
]]):gsub("FOLDER", data), run(folder, "generate", data), nil)
    for name, sum in pairs(expected.sums) do
      local ran = process.run { "md5sum", ("%s/%s.tsv"):format(data, name) }
      assert.equal(sum, ran.output:match "^%x+", name)
    end
    assert.is_nil(io.open(folder .. "/shop.db"), "what is not used is not opened")
  end)

  for kind in pairs(declared) do
    describe("on " .. kind, function()
      local folder
      setup(function() folder = folder_for(kind) end)

      for name, text in pairs(expected.prints) do
        -- Twice: what an example leaves behind does not hinder it.
        if (expected.only[name] or kind) == kind then
          it(name .. " says what it should, and again", function()
            assert.equal(text, run(folder, name))
            assert.equal(text, run(folder, name))
          end)
        end
      end

      it("workers says the same with many of them", function()
        for _, workers in ipairs { 2, 4 } do
          assert.equal(expected.prints.workers, run_in(workers, folder, "workers"))
        end
      end)

      it("the README settles bills, with its own declaration where a file can be it", function()
        local blocks = page.blocks "README.md"
        local own = tmp.folder()
        tmp.write(own, "settle.lua", blocks["settle.lua"].text)
        tmp.write(own, "resources/shop.lua", kind == "sqlite" and blocks["resources/shop.lua"].text or declared[kind])
        local ran = process.run { "sh", "-c", ("here=$PWD; cd %s && $here/%s run settle.lua"):format(own, NEBULA),
          within = 120000, env = { SHOP_PASSWORD = server.password, NEBULA_RUN_DIR = own } }
        assert.equal("", ran.errors)
        assert.equal("2 bills settled\n", ran.output)
      end)

      it("import_and_report reports on 120,000 rows, and how much faster COPY was where there is one", function()
        local said, faster = run(folder, "import_and_report", data), nil
        said = said:gsub("COPY was ([%d.]+) times as fast as inserting\n", function(times)
          faster = tonumber(times)
          return ""
        end)
        assert.equal(expected.report, said)
        assert.equal(kind == "postgresql", faster ~= nil)
        assert.truthy(not faster or faster > 1, faster)
        local lives_in_file = io.open(folder .. "/shop.db") ~= nil
        assert.equal(kind == "sqlite", lives_in_file)
      end)
    end)
  end

  it("serve letters, each sent once, and end at a signal", function()
    local folder = folder_for "sqlite"
    tmp.write(folder, "services/letters.lua", tmp.read "examples/services/letters.lua")
    local child = process.start { NEBULA, "serve", "--workers", "2", QUIET[1], QUIET[2], folder,
      env = { SHOP_FILE = folder .. "/shop.db", NEBULA_RUN_DIR = folder } }
    local seen, count = {}, 0
    while count < 20 do
      local number, mailer = assert(child:line()):match "^letter (%d+): sent by mailer ([12])$"
      assert.is_nil(seen[number])
      seen[number], count = mailer, count + 1
    end
    child:signal "TERM"
    local how = assert(child:wait(20000))
    assert.same({ 0, "" }, { how.code, (select(2, child:take())) })
    child:close()
  end)

  -- It shows build/nebula, whatever build the specs run in.
  if NEBULA ~= "build/nebula" then return end
  it("are shown by run.sh, with ls and inspect of what they used", function()
    local ran = process.run { "sh", "examples/run.sh", within = 120000, env = { NEBULA_RUN_DIR = tmp.folder() } }
    assert.equal(0, ran.code, ran.errors)
    assert.is_not_nil(ran.output:find(expected.report, 1, true), ran.output)
    local _, after = ran.output:match "^(.*)\nIn all: [^\n]*\n(.*)$"
    for _, word in ipairs { "%$ build/nebula ls\n.*\nshop +sqlite +%d", "%$ build/nebula inspect shop\n",
      "\nshop +sqlite, %a+ %(pid %d+%)", "policy +database", "\nwriter +1 +1 +0", "%d+ +reader +idle" } do
      assert.matches(word, after)
    end
  end)
end)
