-- All or nothing.    nebula run examples/transaction.lua
--
-- A transaction has one connection for itself, commits when its function returns, and rolls back when
-- the function raises or returns nil, err.

local shop = use "shop"

assert(shop:exec [[
  create table if not exists accounts (owner text primary key, cents integer not null check (cents >= 0))
]])
assert(shop:exec "delete from accounts")
assert(shop:exec("insert into accounts values (?, ?), (?, ?)", "ada", 10000, "grace", 500))

local function transfer(from, to, cents)
  return shop:transaction(function(tx)
    local taken, err = tx:exec("update accounts set cents = cents - ? where owner = ?", cents, from)
    if not taken then
      return nil, err
    end
    return tx:exec("update accounts set cents = cents + ? where owner = ?", cents, to)
  end)
end

local function show(text)
  local cents = {}
  for _, account in ipairs(assert(shop:query "select * from accounts order by owner")) do
    cents[#cents + 1] = ("%s has %.2f"):format(account.owner, account.cents / 100)
  end
  print(text .. ": " .. table.concat(cents, ", "))
end

show "before"
assert(transfer("ada", "grace", 2500))
show "after 25.00 from ada to grace"

local moved, err = transfer("grace", "ada", 999999)
print("too much:", moved, err.code, err.outcome)
show "as it was"

-- A savepoint is a part that may fail by itself.
assert(shop:transaction(function(tx)
  assert(tx:exec "update accounts set cents = cents + 1 where owner = 'ada'")
  local ok, why = tx:savepoint(function()
    return tx:exec "update accounts set cents = -1 where owner = 'grace'"
  end)
  print("the savepoint:", ok, why.code)
  return true
end))
show "one cent more for ada"
