-- postgresql:// addresses are taken apart, and nothing of them shows when they are wrong.

local kind = require "nebula.kind"
local url = require "nebula.sql.url"
local worker = require "nebula.worker"

describe("addresses", function()
  local options = kind.load({ worker.home .. "/resources/postgres.lua" }).postgres.options
  local function parse(text) return url.parse(text, options) end

  it("are taken apart", function()
    local rows = {
      { "postgresql://", {} },
      { "postgres://db", { host = "db" } },
      { "postgresql://u:p%40w:x@db:5433/shop?sslmode=require&application_name=a%20b",
        { user = "u", password = "p@w:x", host = "db", port = "5433", dbname = "shop", sslmode = "require", application_name = "a b" } },
      { "postgresql://u@[::1]:5433/", { user = "u", host = "::1", port = "5433" } },
      { "postgresql://%2Frun%2Fpg/shop", { host = "/run/pg", dbname = "shop" } },
      { "postgresql:///shop?host=/run/pg&port=1", { dbname = "shop", host = "/run/pg", port = "1" } },
      { "postgresql://u:@db", { user = "u", host = "db" } },
      { "postgresql://a:1,b:2/shop?target_session_attrs=any",
        { host = "a,b", port = "1,2", dbname = "shop", target_session_attrs = "any" } },
      { "postgresql://u:p,w@a,[::1]:2,%2Frun%2Fpg", { user = "u", password = "p,w", host = "a,::1,/run/pg", port = ",2," } },
      { "postgresql://a,b", { host = "a,b" } },
      { "postgresql://db?ssl=true", { host = "db", sslmode = "require" } },
    }
    for _, row in ipairs(rows) do assert.same(row[2], parse(row[1])) end
  end)

  it("are refused without a word of what is in them", function()
    local rows = {
      "mysql://u:hush@db",
      "postgresql://u:hush@a,a", "postgresql://u:hush@a:1,b:70000", "postgresql://u:hush@a,b:hush",
      "postgresql://u:hush@db:port/x", "postgresql://u:hush@db?sslmode=hush",
      "postgresql://u:hush@db?hush", "postgresql://u:hush@db?Hush=1", "postgresql://u:hush@db:70000", "postgresql://u:hush@db?keepalives=hush",
      "postgresql://u:hush@db?keepalives_idle=hush", "postgresql://u:hush@?host=hush,hush",
      "postgresql://u:hush@a,b?reads=replica", "postgresql://u:hush@db?hostaddr=hush",
      "postgresql://u:hush@db?url=hush", "postgresql://u@db:1:hush",
      "postgresql://u:hush%00@db", "postgresql://db/hush%00", "postgresql://u:hush%@db", "postgresql://u:%hush@db",
      "postgresql://u:hush@%00", "postgresql://u:hush@%ff", "postgresql://db?connect_timeout=hush",
      "postgresql://u:hush@db?options=" .. ("x"):rep(901),
    }
    for _, text in ipairs(rows) do
      local settings, complaint = parse(text)
      assert.is_nil(settings, text)
      assert.is_nil(complaint:lower():find("hush", 1, true), complaint)
    end
    for text, wanted in pairs {
      ["postgresql://db?sslmod=require"] = 'behind the ? is a setting sslmod that is not known; did you mean "sslmode"?',
      ["postgresql://db?connect_timeout=3"] = 'its connect_timeout is not in force: write pool = { connect = "5s" }',
      ["postgresql://a,b?reads=replica"] = "reads is no setting of an address: declare it by its own name",
      ["postgresql://u:p%00w@db"] = "its password holds a NUL byte",
      ["postgresql://u:100%@db"] = "behind a % stand two hexadecimal digits; a % itself is written %25",
    } do
      local _, complaint = parse(text)
      assert.equal(wanted, complaint)
    end
  end)
end)
