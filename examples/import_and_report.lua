-- Import and report.    nebula run examples/import_and_report.lua FOLDER
--
-- Reads customers, products and orders (made by generate.lua), imports them in batches under one deadline, joins
-- and aggregates them in the database, and prints a report. It runs on SQLite and on PostgreSQL: only the
-- declaration in resources/shop.lua differs.

local folder = args[1] or error("usage: nebula run examples/import_and_report.lua FOLDER", 0)
local shop = use "shop"

local BATCH = 500 -- rows in one statement: a round trip costs more than a row

local tables = {
  { name = "customers", columns = { "id", "name", "country" } },
  { name = "products", columns = { "id", "name", "category", "price_cents" } },
  { name = "orders", columns = { "id", "placed_at", "customer", "product", "quantity", "cents", "state" } },
}

local function create_tables(tx)
  for _, statement in ipairs {
    "drop table if exists orders", "drop table if exists products", "drop table if exists customers",
    "create table customers (id integer primary key, name text not null, country text not null)",
    "create table products (id integer primary key, name text not null, category text not null, "
      .. "price_cents integer not null)",
    "create table orders (id integer primary key, placed_at text not null, customer integer not null, "
      .. "product integer not null, quantity integer not null, cents integer not null, state text not null)",
  } do
    assert(tx:exec(statement))
  end
end

-- insert into t (a, b) values (?, ?), (?, ?) ...: one statement for a whole batch
local function insert_text(name, columns, rows)
  local row = "(" .. ("?, "):rep(#columns - 1) .. "?)"
  return ("insert into %s (%s) values %s%s"):format(name, table.concat(columns, ", "),
    (row .. ", "):rep(rows - 1), row)
end

local function split(line, into)
  for field in line:gmatch "[^\t]+" do
    into[#into + 1] = tonumber(field) or field
  end
end

local function count_lines(path)
  local count = 0
  for _ in io.lines(path) do
    count = count + 1
  end
  return count
end

-- One table: its file, a batch at a time, each batch all or nothing by being one statement.
local function import(tx, name, columns)
  local path = ("%s/%s.tsv"):format(folder, name)
  local bar = progress("import " .. name, count_lines(path))
  local values, rows = {}, 0
  local function flush()
    if rows > 0 then
      assert(tx:exec(insert_text(name, columns, rows), unpack(values, 1, rows * #columns)))
      bar:add(rows)
      values, rows = {}, 0
    end
  end
  for line in io.lines(path) do
    split(line, values)
    rows = rows + 1
    if rows == BATCH then
      flush()
    end
  end
  flush()
  bar:finish()
  return bar.done
end

local imported, err = deadline("2m", function()
  return shop:transaction({ deadline = "2m" }, function(tx)
    local counts = {}
    create_tables(tx)
    for _, one in ipairs(tables) do
      counts[one.name] = import(tx, one.name, one.columns)
    end
    return counts
  end)
end)
if not imported then
  error(err)
end
print(("imported %d customers, %d products, %d orders"):format(imported.customers, imported.products,
  imported.orders))

-- --- the report: three questions at once, each on a connection of its own ----------------------------

local questions = {
  { title = "Revenue by country", sql = [[
      select c.country as what, count(*) as orders, sum(o.cents) as cents
      from orders o join customers c on c.id = o.customer
      where o.state = 'paid' group by c.country order by sum(o.cents) desc]] },
  { title = "Revenue by quarter", sql = [[
      select 'Q' || ((cast(substr(placed_at, 6, 2) as integer) + 2) / 3) as what,
        count(*) as orders, sum(cents) as cents
      from orders where state = 'paid'
      group by (cast(substr(placed_at, 6, 2) as integer) + 2) / 3
      order by (cast(substr(placed_at, 6, 2) as integer) + 2) / 3]] },
  { title = "Best five products", sql = [[
      select p.name as what, count(*) as orders, sum(o.cents) as cents
      from orders o join products p on p.id = o.product
      where o.state = 'paid' group by p.id, p.name order by sum(o.cents) desc, p.name limit 5]] },
}

assert(for_each(questions, { parallel = #questions }, function(question)
  question.rows = assert(shop:query({ deadline = "30s", idempotent = true }, question.sql))
end))

for _, question in ipairs(questions) do
  print("\n" .. question.title)
  for _, row in ipairs(question.rows) do
    print(("  %-18s %7d orders %14.2f"):format(row.what, tonumber(row.orders), tonumber(row.cents) / 100))
  end
end

local paid = assert(shop:one [[
  select count(*) as orders, sum(cents) as cents from orders where state = 'paid']])
local returned = assert(shop:value "select count(*) from orders where state = 'returned'")
print(("\nIn all: %d orders paid, %.2f; %d returned"):format(tonumber(paid.orders), tonumber(paid.cents) / 100,
  tonumber(returned)))
