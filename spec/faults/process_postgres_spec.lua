-- A process with PostgreSQL, without descriptors or memory. limit: 200 s

local bounded = require "spec.faults.bounded"
local postgres = require "spec.support.postgres"
local tmp = require "spec.support.tmp"

local server = postgres.start()
local folder = tmp.folder()

local POSTGRES = ([[postgres "shop" { host = %q, port = %d, dbname = %q, user = %q, password = %q, pipeline = 4,
  pool = { max = 8 }, policy = "patient" }]]):format(server.host, server.port, server.dbname, server.user, server.password)

-- What takes more than a statement: COPY both ways, batches, calls that share, and a listener, who counts the parts.
local parts = tmp.write(folder, "parts.lua", [[
  local shop = use "shop"
  assert(shop:exec "drop table if exists taken")
  assert(shop:exec "create table taken (a integer, b text)")
  local listener, list = assert(shop:listen "taken"), {}
  for i = 1, 30 do list[i] = i end
  assert(for_each(list, { parallel = 10 }, function(i)
    assert(shop:copy_in("copy taken from stdin", { { i, ("x"):rep(100000) } }))
    assert(shop:copy_out("copy taken to stdout", function() end))
    local results = assert(shop:batch(function(b)
      b:value("select length(b) from taken where a = ?", i)
      b:query("select pg_notify('taken', ?)", i)
    end))
    assert(results[1] == 100000 and assert(shop:value("select a from taken where a = ?", i)) == i)
  end))
  local sum = 0
  for _ = 1, 30 do
    local note = assert(listener:next "10s")
    sum = sum + (note.payload or error(note.text, 0))
  end
  print(sum)]])

bounded.says_what_it_lacks { what = "postgres", declaration = POSTGRES, secret = server.password,
  file = tmp.write(folder, "work.lua", bounded.WORK) }
bounded.says_what_it_lacks { what = "postgres in many ways", declaration = POSTGRES, secret = server.password, file = parts }
