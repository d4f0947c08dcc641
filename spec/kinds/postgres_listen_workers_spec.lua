-- limit: 120 s
-- Three workers of the program listen to PostgreSQL: by one session, which is lost and comes again, and is shown as one.

local postgres = require "spec.support.postgres"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local server = postgres.start()
local LISTENING = "from pg_stat_activity where query ilike 'listen %'"

tmp.write(program.folder, "resources/bell.lua", ([[
postgres "bell" { host = %q, port = %d, dbname = %q, user = %q, password = %q, pool = { max = 1 } }
]]):format(server.host, server.port, server.dbname, server.user, server.password))

local function all_say(child, line)
  for _ = 1, 3 do assert.equal(line, child:line()) end
end

describe("listening to postgres in several workers", function()
  it("takes one session, by which all hear, and a loss of it is a gap for each", function()
    local child = program.started([[
      print "ready"
      spawn_on_all(function()
        local listener = assert(use("bell"):listen "jobs")
        print "listens"
        for note in listener do print(note.gap or note.payload) end
      end):join()]], "--workers", "3")
    all_say(child, "listens")
    assert.equal("1", server:psql("select count(*) " .. LISTENING))
    server:psql "select pg_notify('jobs', 'first')"
    all_say(child, "first")
    local shown = program.ended(0, program.nebula("inspect", "bell")).output
    assert.matches("listening +by connection %d+, worker %d, 1 channels", shown)
    local far = select(2, shown:gsub("listening +by that of worker %d, worker %d, 1 channels", ""))
    assert.equal(2, far, shown)
    shown = program.ended(0, program.nebula "ls").output
    assert.matches("bell +postgres +1 +0 +0 +3 ", shown)

    local gone = server:psql("select pid " .. LISTENING)
    server:psql(("select pg_terminate_backend(%s)"):format(gone))
    all_say(child, "lost")
    assert.equal("1", server:psql(("select count(*) %s and pid <> %s"):format(LISTENING, gone))) -- the server may still show it
    server:psql "select pg_notify('jobs', 'second')"
    all_say(child, "second")
    child:signal "TERM"
    program.ended(0, program.over(child))
  end)
end)
