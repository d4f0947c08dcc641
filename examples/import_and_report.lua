-- Import and report.    nebula run examples/import_and_report.lua FOLDER
--
-- Reads customers, products and orders (made by generate.lua), imports them under one deadline, joins and aggregates
-- them in the database, and prints a report. It runs on SQLite and on PostgreSQL: only the declaration in
-- resources/shop.lua differs. SQLite is given batches of rows; PostgreSQL takes the files as they are, by COPY, and
-- it is said how much faster that was than batches.

local folder = args[1] or error("usage: nebula run examples/import_and_report.lua FOLDER", 0)
local shop = use "shop"

local BATCH = 500    -- rows in one statement: a round trip costs more than a row
local SAMPLE = 10000 -- rows that are inserted to see how much faster they are copied

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

local function path_of(name)
  return ("%s/%s.tsv"):format(folder, name)
end

-- One table: its file, a batch at a time, each batch all or nothing by being one statement.
local function insert(tx, name, columns, most)
  local bar = progress((most and "try to insert " or "import ") .. name, most or count_lines(path_of(name)))
  local values, rows = {}, 0
  local function flush()
    if rows > 0 then
      assert(tx:exec(insert_text(name, columns, rows), unpack(values, 1, rows * #columns)))
      bar:add(rows)
      values, rows = {}, 0
    end
  end
  for line in io.lines(path_of(name)) do
    split(line, values)
    rows = rows + 1
    if rows == BATCH then
      flush()
    end
    if bar.done == most then
      break
    end
  end
  flush()
  bar:finish()
  return bar.done
end

-- The same by COPY: the file is in its format already.
local function copy(tx, name, columns)
  local bar = progress("import " .. name, count_lines(path_of(name)))
  local file = assert(io.open(path_of(name)))
  local rows = assert(tx:copy_in({ progress = function(lines) bar:add(lines - bar.done) end },
    ("copy %s (%s) from stdin"):format(name, table.concat(columns, ", ")), file))
  file:close()
  bar:finish()
  return rows
end

-- How many rows fn brought, and how many a second by the server's clock.
local function timed(tx, fn, ...)
  local now = "select extract(epoch from clock_timestamp())::float8"
  local begun = assert(tx:value(now))
  local rows = fn(tx, ...)
  return rows, rows / (assert(tx:value(now)) - begun)
end

-- How many rows a second can be inserted: some are, and that is undone.
local function insert_rate(tx, name, columns)
  local rate
  tx:savepoint(function()
    rate = select(2, timed(tx, insert, name, columns, SAMPLE))
    return nil, "it was only a sample"
  end)
  return rate
end

local faster -- than inserting, so many times

local function copy_all(tx, counts)
  for _, one in ipairs(tables) do
    local inserted = one.name == "orders" and insert_rate(tx, one.name, one.columns)
    local rows, copied = timed(tx, copy, one.name, one.columns)
    counts[one.name], faster = rows, inserted and copied / inserted
  end
end

local function insert_all(tx, counts)
  for _, one in ipairs(tables) do
    counts[one.name] = insert(tx, one.name, one.columns)
  end
end

local imported, err = deadline("2m", function()
  return shop:transaction({ deadline = "2m" }, function(tx)
    local counts = {}
    create_tables(tx)
    local import = shop.kind.name == "postgres" and copy_all or insert_all
    import(tx, counts)
    return counts
  end)
end)
if not imported then
  error(err)
end
print(("imported %d customers, %d products, %d orders"):format(imported.customers, imported.products,
  imported.orders))
if faster then
  print(("COPY was %.1f times as fast as inserting"):format(faster))
end

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
