-- corrupted.lua - what is asked while bytes of it become others, and the tables that notice it.
--
-- Rows of these tables prove by a sum that a client asked for them: a server that was told something else refuses it.
-- And each statement of a session has a count of values of its own, so that one is not taken for another when its
-- name is spoiled on the way.
local clock = require "spec.support.clock"
local nebula = require "nebula"

local task = nebula.task

local corrupted = {}

corrupted.TABLES = [[
  create function sum_of(id bigint) returns bigint immutable language sql as 'select (id * 48271 + 11) % 2147483647';
  create table tally (id bigint not null, sum bigint not null check (sum = sum_of(id)));
  create table pair (like tally including all);
  create table once (like tally including all, primary key (id));
  create table loud (like tally including all);
  create table late (like tally including all, of bigint references once deferrable initially deferred);
  create function say() returns trigger language plpgsql as 'begin raise notice ''a row''; return new; end';
  create trigger says before insert on loud for each row execute function say();
  alter table tally owner to spec; alter table pair owner to spec; alter table once owner to spec; alter table loud owner to spec;
  alter table late owner to spec]]

local function sum_of(id) return (id * 48271 + 11) % 2147483647 end

local INSERT = "insert into tally (id, sum) values (?, ?)"

---@class spec.End of one call
---@field id integer
---@field where string[] the tables that must have it, or none of them
---@field outcome "ok"|"failed"|"in_doubt"
---@field code string
---@field count integer? of rows, as the server said
---@field must_fail boolean? the server says no
---@field took number ms

local next_id = 1000000

-- Each call of fn(id), with how it ended.
local function end_of(where, fn, ...)
  next_id = next_id + 1
  local id, begun = next_id, clock.now()
  local result, err = fn(id, ...)
  local one = { id = id, where = where, count = type(result) == "number" and result or nil, took = clock.now() - begun }
  one.outcome, one.code, one.text = "ok", "ok", ""
  if result == nil then one.outcome, one.code, one.text = err.outcome, err.code, tostring(err) end
  return one
end

local TALLY, BOTH, ONCE = { "tally" }, { "tally", "pair" }, { "once" }

local function single(where, fn)
  return function(lane, given) return { end_of(where, fn, lane, given) } end
end

local function refused(where, fn)
  return function(lane, given)
    local one = end_of(where, fn, lane, given)
    one.must_fail = true
    return { one }
  end
end

local function insert(id, lane, given) return lane.plain:exec(given, INSERT, id, sum_of(id)) end

local function insert_both(tx, id)
  local done, err = tx:exec(INSERT, id, sum_of(id))
  if not done then return nil, err end
  return tx:exec("insert into pair (sum, id) select ?, ? where ?", sum_of(id), id, true)
end

local function copy_line(id) return { id, sum_of(id) } end

-- A server that was asked for more rows than we meant may send any number of them.
local ROWS_MOST = 1000

local function read_all(rows)
  for _ = 1, ROWS_MOST do
    local row, err = rows:next()
    if err then return nil, err end
    if not row then return true end
  end
  rows:close()
  return nil, { outcome = "in_doubt", code = "given up" }
end

local function batch(is_each)
  return function(lane, given)
    local first = next_id
    next_id = next_id + 4
    local begun = clock.now()
    local results, err = lane.plain:batch({ deadline = given.deadline, each = is_each }, function(b)
      for id = first + 1, first + 4 do b:exec(INSERT, id, sum_of(id)) end
    end)
    local ends = {}
    for at = 1, 4 do
      local result = results and results[at] or err
      local is_ok = type(result) == "number"
      ends[at] = { id = first + at, where = TALLY, count = is_ok and result or nil, took = clock.now() - begun,
        outcome = is_ok and "ok" or result.outcome, code = is_ok and "ok" or result.code, text = tostring(result) }
    end
    return ends
  end
end

local function insert_once(id, lane, given, off_by)
  return lane.shared:exec({ deadline = given.deadline, idempotent = true },
    "insert into once (id, sum) values (?, ?) on conflict do nothing", id, sum_of(id) + off_by)
end

-- Side by side on one connection; one of three is refused.
local function several(lane, given)
  local work, ends = {}, {}
  for at = 1, 6 do
    work[at] = task(function()
      local is_bad = at % 3 == 2
      local one = end_of(ONCE, insert_once, lane, given, is_bad and 1 or 0)
      one.must_fail, one.count = is_bad, nil -- what is there already is no row any more when it is done again
      ends[at] = one
    end)
  end
  for at = 1, 6 do work[at]:join() end
  return ends
end

---@class spec.Exchange
---@field name string
---@field on "plain"|"shared"|"wide" the resource of the lane
---@field is_fresh boolean? begins with a login
---@field run fun(lane: spec.Lane, given: { deadline: string }): spec.End[]

---@type spec.Exchange[]
corrupted.exchanges = {
  { name = "login and insert", is_fresh = true, run = single(TALLY, insert) },
  { name = "insert", run = single(TALLY, insert) },
  {
    name = "insert that gives a row",
    run = single(TALLY, function(id, lane, given)
      local rows, err = lane.plain:query(given, "insert into tally (id, sum) select ?, ? where ?::int = 3 returning id, sum",
        id, sum_of(id), 3)
      return rows and #rows, err
    end),
  },
  {
    name = "insert that is refused",
    run = refused(TALLY, function(id, lane, given)
      return lane.plain:exec(given, "insert into tally (id, sum) select ?, ? + ? from (select ?::int) one", id, sum_of(id), 1, 1)
    end),
  },
  {
    name = "insert that is refused at its commit",
    run = refused({ "late" }, function(id, lane, given)
      return lane.plain:exec(given, "insert into late (id, sum, of) select ?, ?, ? from (select ?::int, ?::int, ?::int, ?::int, ?::int) one",
        id, sum_of(id), -1, 1, 2, 3, 4, 5)
    end),
  },
  {
    name = "insert with a notice",
    run = single({ "loud" }, function(id, lane, given)
      return lane.plain:exec(given, "insert into loud (id, sum) select ?, ? from (select ?::int, ?::int, ?::int) one",
        id, sum_of(id), 1, 2, 3)
    end),
  },
  {
    name = "transaction",
    run = single(BOTH, function(id, lane, given)
      return lane.plain:transaction(given, function(tx) return insert_both(tx, id) end)
    end),
  },
  {
    name = "transaction that is undone",
    run = refused(BOTH, function(id, lane, given)
      return lane.plain:transaction(given, function(tx)
        local done, err = insert_both(tx, id)
        if not done then return nil, err end
        return tx:exec "select 1 / 0"
      end)
    end),
  },
  {
    name = "stream",
    on = "wide",
    run = single(TALLY, function(id, lane, given)
      return read_all(lane.wide:stream({ deadline = given.deadline, window = 8 }, [[with new as (insert into tally (id, sum)
        values (?, ?) returning id) select i, new.id from new, generate_series(?::int, ?::int * ?::int * ?::int) i]],
        id, sum_of(id), 1, 20, 1, 1))
    end),
  },
  {
    name = "COPY in",
    run = single(TALLY, function(id, lane, given)
      return lane.plain:copy_in(given, "copy tally (id, sum) from stdin", { copy_line(id) })
    end),
  },
  {
    name = "COPY out",
    run = single(TALLY, function(id, lane, given)
      return lane.plain:copy_out(given, ("copy (insert into tally (id, sum) values (%d, %d) returning id) to stdout")
        :format(id, sum_of(id)), function() end)
    end),
  },
  {
    name = "COPY in a transaction",
    run = single(BOTH, function(id, lane, given)
      return lane.plain:transaction(given, function(tx)
        local done, err = tx:copy_in("copy tally (id, sum) from stdin", { copy_line(id) })
        if not done then return nil, err end
        return tx:copy_in("copy pair (id, sum) from stdin", { copy_line(id) })
      end)
    end),
  },
  {
    name = "script",
    run = single(BOTH, function(id, lane, given)
      return lane.plain:exec(given, ("insert into tally (id, sum) values (%d, %d); insert into pair (id, sum) values (%d, %d)")
        :format(id, sum_of(id), id, sum_of(id)))
    end),
  },
  {
    name = "reset, and insert",
    run = single(TALLY, function(id, lane, given)
      local done, err = lane.plain:with(function(lease) return lease:exec(given, "set work_mem = '1MB'") end)
      if not done then return nil, err end
      return insert(id, lane, given)
    end),
  },
  { name = "batch", run = batch(false) },
  { name = "batch of each by itself", run = batch(true) },
  { name = "calls that share a connection", on = "shared", run = several },
  { name = "login, and calls that share a connection", on = "shared", is_fresh = true, run = several },
}

for _, exchange in ipairs(corrupted.exchanges) do exchange.on = exchange.on or "plain" end

-- --- what must hold ---------------------------------------------------------------------------------

-- How often the server must have it, when that is known.
--
-- What was spoiled on its way to the server is what it was asked for: when it says that it has done 0 rows, it has. What was
-- spoiled on its way back may say 0 for 1.
local function expected(one, way)
  if one.outcome == "failed" then return 0 end
  if one.outcome ~= "ok" then return nil end
  return way == "up" and one.count == 0 and 0 or 1
end

---@param one spec.End
---@param way "up"|"down"
---@param has table<string, table<integer, integer>>
function corrupted.check(one, way, has)
  local wants = expected(one, way)
  local shown = ("%d ended as %s (%s %s)"):format(one.id, one.outcome, one.code, one.text)
  assert(not one.must_fail or one.outcome ~= "ok", shown)
  for _, name in ipairs(one.where) do
    local count = has[name][one.id] or 0
    local but = ("%s, and is in %s %d times"):format(shown, name, count)
    assert(count <= 1, but)
    assert(not one.must_fail or count == 0, but)
    assert(wants == nil or wants == count, but)
    assert(count == (has[one.where[1]][one.id] or 0), "half of " .. shown)
  end
end

return corrupted
