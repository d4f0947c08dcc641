-- A first query.    nebula run examples/first_query.lua
--
-- The resource "shop" is declared in examples/resources/shop.lua. No connection is handled here: each
-- statement leases one from the pool and gives it back.

local shop = use "shop"

assert(shop:exec [[
  create table if not exists visits (id integer primary key, guest text not null, note text)
]])
assert(shop:exec "delete from visits")

-- Values go beside the statement, never into it. A NULL is written and read as `null`.
for id, guest in ipairs { "Ada", "Grace", "Edsger" } do
  assert(shop:exec("insert into visits (id, guest, note) values (?, ?, ?)", id, guest, null))
end
assert(shop:exec("update visits set note = :note where guest = :guest", { guest = "Ada", note = "first" }))

for _, visit in ipairs(assert(shop:query "select * from visits order by id")) do
  print(visit.id, visit.guest, visit.note == null and "-" or visit.note)
end

print(assert(shop:value "select count(*) from visits") .. " guests")

-- What the world refuses comes back as an error that says what it means and what to do.
local rows, err = shop:query "select * from visitors"
print(rows, err.code, err.action, err.outcome)
