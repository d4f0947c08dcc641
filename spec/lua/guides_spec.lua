-- limit: 300 s. The guides, followed to the letter: each file is written, each command typed, and what is shown is what
-- comes. PostgreSQL is one of the spec's own, so what the pages have as its port is not its.

local clock = require "spec.support.clock"
local page = require "spec.support.page"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local HOME = require("nebula.worker").home

local server = postgres.start { tls = true }

local function here(text)
  return (text:gsub("port = 5432", ("port = %d"):format(server.port)))
end

local function shell(home)
  return page.shell { folder = home, env = {
    HOME = home, NEBULA_RUN_DIR = home, PATH = ("%s/%s:%s"):format(HOME, process.program ".", os.getenv "PATH"),
    ORDERS_PASSWORD = "4 of the orders", ORDERS_CA = server.ca, SHOP_PASSWORD = "not asked for",
  } }
end

-- The folder in which a shell is now.
local function place(typed)
  return typed:type("pwd"):match "^[^\n]*"
end

local take = {}

function take.sh(block, typed)
  typed:type(block.text)
end

function take.text(block, typed)
  local is_so = clock.wait(function() return page.shows(block, typed:more()) end, 10000)
  if not is_so then error(("line %d shows\n%s\nand it says\n%s"):format(block.line, block.text, typed.said), 0) end
end

function take.sql(block)
  server:psql("\\connect orders orders\n" .. block.text)
end

-- Without a name: a declaration, or a piece of a workflow.
function take.lua(block, typed)
  local is_declared = block.text:find '^postgres "'
  local name = is_declared and ("line-%d/resources/it.lua"):format(block.line) or ("line-%d.lua"):format(block.line)
  tmp.write(place(typed), name, is_declared and block.text or 'local orders = use "orders"; ' .. block.text)
  local said = typed:type(is_declared and "nebula check line-" .. block.line or "nebula run " .. name)
  if is_declared then assert.equal("1 resource, no mistakes\n", said) end
end

local function follow(path)
  local typed = shell(tmp.folder())
  local ok, err = pcall(function()
    for _, block in ipairs(page.blocks(path)) do
      if block.mark ~= "norun" and block.name then
        tmp.write(place(typed), block.name, here(block.text))
      elseif block.mark ~= "norun" then
        take[block.language](block, typed)
      end
    end
  end)
  typed:close()
  assert.is_true(ok, err)
end

describe("README.md", function()
  it("does what it says", function() follow "README.md" end)
end)

describe("docs/getting-started.md", function()
  it("does what it says", function()
    server:psql "create role shop login password 'open sesame'"
    server:psql "create database shop owner shop"
    follow "docs/getting-started.md"
  end)
end)

describe("docs/postgres.md", function()
  it("does what it says", function()
    server:psql "create role orders login password '4 of the orders'"
    server:psql "create database orders owner orders"
    follow "docs/postgres.md"
  end)
end)

describe("docs/policies.md", function()
  it("does what it says", function() follow "docs/policies.md" end)
end)

describe("a link", function()
  for path in io.popen("ls README.md docs/*.md docs/reference/*.md"):lines() do
    it("leads somewhere: " .. path, function()
      local folder = path:match "^(.*/)" or ""
      for file, heading in page.links(path) do
        local target = file == "" and path or folder .. file
        assert(io.open(target)):close() -- a file, or a folder
        assert.is_true(heading == "" or page.headings(target)[heading], ("%s#%s"):format(target, heading))
      end
    end)
  end
end)
