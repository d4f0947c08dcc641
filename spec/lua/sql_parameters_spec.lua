-- Statements are understood without a server: parameters, literals, effects.

local parameters = require "nebula.sql.parameters"
local redact = require "nebula.sql.redact"
local statement = require "nebula.sql.statement"
local tokens = require "nebula.sql.tokens"

local postgres, sqlite = tokens.dialects.postgres, tokens.dialects.sqlite

-- Each row: the statement, what PostgreSQL is sent, what SQLite is sent (the same but for the sign if nil), how many.
local function rewrites(rows)
  for _, row in ipairs(rows) do
    local sql, for_postgres, for_sqlite, count = unpack(row)
    local p, q = assert(parameters.rewrite(sql, postgres)), assert(parameters.rewrite(sql, sqlite))
    assert.equal(for_postgres, p.text)
    assert.equal(for_sqlite or for_postgres:gsub("%$(%d)", "?%1"), q.text)
    assert.equal(count, p.count, sql)
    assert.equal(count, q.count, sql)
  end
end

describe("parameters", function()
  it("in order are numbered", function()
    rewrites {
      { "select 1", "select 1", nil, 0 },
      { "select ?", "select $1", nil, 1 },
      { "select ?,?", "select $1,$2", nil, 2 },
      { "insert into t values (?, ?, ?)", "insert into t values ($1, $2, $3)", nil, 3 },
      { "?", "$1", nil, 1 },
      { "", "", nil, 0 },
    }
  end)

  it("by number stay what they are, in any order and as often as wanted", function()
    rewrites {
      { "select $1", "select $1", nil, 1 },
      { "select $2, $1, $2", "select $2, $1, $2", nil, 2 },
      { "select $1::int", "select $1::int", nil, 1 },
      { "select $1$2", "select $1$2", nil, 2 },
    }
  end)

  it("by name have one number for each name", function()
    rewrites {
      { "select :a", "select $1", nil, 1 },
      { "select :b, :a, :b", "select $1, $2, $1", nil, 2 },
      { "where id=:id and a=:_x1", "where id=$1 and a=$2", nil, 2 },
      { "select :a::text", "select $1::text", nil, 1 },
    }
    assert.same({ "b", "a" }, parameters.rewrite("select :b, :a, :b", postgres).names)
    assert.is_nil(parameters.rewrite("select ?", postgres).names)
  end)

  it("are not looked for in literals, names and comments", function()
    rewrites {
      { "select '?', ?", "select '?', $1", nil, 1 },
      { "select 'it''s ? :a $1', ?", "select 'it''s ? :a $1', $1", "select 'it''s ? :a $1', ?1", 1 },
      { 'select "?" , ?', 'select "?" , $1', nil, 1 },
      { 'select "a""?" , ?', 'select "a""?" , $1', nil, 1 },
      { "select 1 -- ? it's\n, ?", "select 1 -- ? it's\n, $1", nil, 1 },
      { "select 1 -- ?", "select 1 -- ?", nil, 0 },
      { "select /* ? ' */ ?", "select /* ? ' */ $1", nil, 1 },
      { "select 'open ?", "select 'open ?", nil, 0 },
      { "select /* open ?", "select /* open ?", nil, 0 },
      { "select 1 - ?", "select 1 - $1", nil, 1 },
      { "select 1 / ?", "select 1 / $1", nil, 1 },
      { "select ''", "select ''", nil, 0 },
      { "select '' || ? || ''", "select '' || $1 || ''", nil, 1 },
    }
  end)

  it("are found where the dialects differ", function()
    local rows = {
      { postgres, "select $$ ? $$, ?", "select $$ ? $$, $1" },
      { postgres, "select $a$ ? $$ ? $a$, ?", "select $a$ ? $$ ? $a$, $1" },
      { postgres, "select $a$ ? ", "select $a$ ? " },
      { postgres, "select E'\\' ?', ?", "select E'\\' ?', $1" },
      { postgres, "select e'a''\\\\' , ?", "select e'a''\\\\' , $1" },
      { postgres, "select 'a\\', ?", "select 'a\\', $1" },
      { postgres, "select name'?', ?", "select name'?', $1" },
      { postgres, "/* /* ? */ ? */ ?", "/* /* ? */ ? */ $1" },
      { postgres, "select a[?], b[1:2], c[lo:hi], d[f(x):y]", "select a[$1], b[1:2], c[lo:hi], d[f(x):y]" },
      { postgres, "select a[:n]", "select a[$1]" },
      { postgres, 'select a["lo":hi]', 'select a["lo":hi]' },
      { postgres, "select f(a := ?)", "select f(a := $1)" },
      { postgres, "select d ?? 'x' and d ??| ? and d @?? '$.a'", "select d ? 'x' and d ?| $1 and d @? '$.a'" },
      { postgres, "select d->>? from t", "select d->>$1 from t" },
      { postgres, "select foo$1, $1", "select foo$1, $1" },
      { postgres, "select \195\164?", "select \195\164$1" },
      { sqlite, "/* /* ? */ ?", "/* /* ? */ ?1" },
      { sqlite, "select [?], ?", "select [?], ?1" },
      { sqlite, "select `?`, ?", "select `?`, ?1" },
      { sqlite, "select 'a\\', ?", "select 'a\\', ?1" },
      { sqlite, "select a->>'$.b', ?", "select a->>'$.b', ?1" },
    }
    for _, row in ipairs(rows) do
      assert.equal(row[3], parameters.rewrite(row[2], row[1]).text)
    end
  end)

  it("cannot be mixed, skipped or of a foreign style", function()
    local rows = {
      { "select ?, $1", "mixes the parameter styles ? and $1: keep to one (?? is a literal ?)" },
      { "select $1, :a", "mixes the parameter styles $1 and :a: keep to one" },
      { "select :a, ?", "mixes the parameter styles :a and ?" },
      { "select $2", "uses $2 but not $1" },
      { "select $1, $4", "uses $4 but not $2" },
      { "select $0", "there is no parameter $0" },
      { "select $65536", "there is no parameter $65536: they go from 1 to 65535" },
      { "select ?1", "the parameter ?1 has a style of its own: write ? or $1" },
    }
    for _, row in ipairs(rows) do
      local text, complaint = parameters.rewrite(row[1], postgres)
      assert.is_nil(text)
      assert.truthy(complaint:find(row[2], 1, true), complaint)
    end
    for _, sql in ipairs { "select @a", "select $a" } do
      local _, complaint = parameters.rewrite(sql, sqlite)
      assert.truthy(complaint:find("write ?, $1 or :name", 1, true), complaint)
    end
  end)

  it("take as many values as they are", function()
    local two = parameters.rewrite("select ?, ?", postgres)
    assert.same({ 1, "b" }, parameters.arrange(two, 1, "b"))
    assert.same({ false, 0 }, parameters.arrange(two, false, 0))
    local rows = {
      { "takes 2 values, 1 given", 1 },
      { "takes 2 values, 3 given", 1, 2, 3 },
      { "value 1 is nil: write null for NULL", nil, 2 },
      { "value 2 is nil: write null for NULL", 1, nil },
    }
    for _, row in ipairs(rows) do
      local list, complaint = parameters.arrange(two, unpack(row, 2, math.max(table.maxn(row), 3)))
      assert.is_nil(list)
      assert.truthy(complaint:find(row[1], 1, true) or row[1]:find "1 given", complaint)
    end
    local _, complaint = parameters.arrange(two, 1)
    assert.equal("the statement takes 2 values, 1 given", complaint)
  end)

  it("by name take one table, from which they take what they need", function()
    local named = parameters.rewrite("select :a, :b, :a", postgres)
    assert.same({ 1, 2 }, parameters.arrange(named, { a = 1, b = 2, c = 3 }))
    local rows = {
      { "no value for :b (null is written null, not nil)", { a = 1 } },
      { "give one table with their values", 1, 2 },
      { "give one table with their values" },
      { "give one table with their values", { a = 1, b = 2 }, 3 },
    }
    for _, row in ipairs(rows) do
      local list, complaint = parameters.arrange(named, unpack(row, 2))
      assert.is_nil(list)
      assert.truthy(complaint:find(row[1], 1, true), complaint)
    end
  end)

  it("are found whatever surrounds them: tokens cover every text without gaps", function()
    local seed = os.time()
    math.randomseed(seed)
    local alphabet = { "'", '"', "`", "[", "]", "$", "$1", "$a$", "?", "??", ":", "::", ":a", "--", "\n", "/*", "*/", "\\",
      "E'", "e", " ", "a", "1", ".", "(", ")", "@", "\255", "\0", ";" }
    for _ = 1, 5000 do
      local piece = {}
      for at = 1, math.random(0, 20) do piece[at] = alphabet[math.random(#alphabet)] end
      local sql = table.concat(piece)
      for _, dialect in pairs(tokens.dialects) do
        local reached = 0
        for _, first, last in tokens.each(sql, dialect) do
          assert(first == reached + 1 and last >= first, ("seed %d: %q"):format(seed, sql))
          reached = last
        end
        assert(reached == #sql, ("seed %d: %q"):format(seed, sql))
      end
    end
  end)
end)

describe("effect", function()
  local rows = {
    read = {
      "select 1", "SELECT * FROM t WHERE a = ?", "values (1, 2)", "table t", "show server_version",
      "explain select 1", "(select 1) union all (select 2)", "/* hi */ -- ho\n select 1;", "select count(*) from t",
      "select coalesce(a, lower(b)) from t where c in (1, 2) and exists (select 1)", "select 'delete', \"update\" from t",
      "with x(a, b) as (select 1, 2) select sum(a) over (partition by b) from x",
      "with recursive n(i) as (select 1 union select i + 1 from n) select * from n",
      "select cast(a as numeric(10, 2)), b::varchar(3) from t as u(a, b)",
      "select * from t join s using (id)", "select extract(year from d) from t",
    },
    unknown = {
      "select nextval('s')", "select setval('s', 1)", "select my_function()", "select pg_advisory_lock(1)",
      'select "count"(a) from t', "select public.lower(a) from t", "select lo_unlink(1)", "select pg_notify('a', 'b')",
      "select 1; select 2", "select set_config('a', 'b', false)", "", "-- nothing", "?",
    },
    write = {
      "insert into t values (1)", "update t set a = 1", "delete from t", "INSERT INTO t VALUES (1) RETURNING id",
      "with d as (delete from t returning *) select * from d", "with x as (select 1) insert into t select * from x",
      "select * into t2 from t", "select * from t for update", "select * from t for no key update",
      "select * from t for share", "select * from t for key share", "create table t (a int)", "drop table t",
      "explain analyze delete from t", "set a = 1", "pragma journal_mode", "replace into t values (1)", "call p()",
      "do $$ begin end $$", "select 1; delete from t", "copy t from stdin", "vacuum", "listen a", "truncate t",
      "create trigger c after insert on t begin delete from t; select case when 1 then 2 end; end; select 1",
    },
    transaction = {
      "begin", "BEGIN IMMEDIATE", "start transaction", "commit", "end", "rollback", "rollback to a", "abort",
      "savepoint a", "release a", "prepare transaction 'a'", "/* so */ commit; select 1",
      "insert into t values (1); commit; delete from t", "select 1; begin", "delete from t; (select 1); end;",
      "create function f() returns int begin atomic select 1; end; commit", "create table f (a int, begin int); commit",
      "create function f() returns int begin atomic end; rollback",
    },
  }
  for effect, list in pairs(rows) do
    it("is " .. effect .. " as far as its words tell", function()
      for _, sql in ipairs(list) do
        for dialect in pairs(tokens.dialects) do
          local text = statement.of(sql, dialect)
          if text then
            assert.equal(effect, text.effect, dialect .. ": " .. sql)
          end
        end
      end
    end)
  end

  it("knows several statements from one", function()
    local lists = {
      [true] = { "a; b", "create trigger c after insert on t begin delete from t; end; select 1",
        "create table t (a); insert into t values (1);", "begin; commit" },
      [false] = { "create trigger c after insert on t begin delete from t; select 1; end;", "a", "a;", "a ; ; -- c", "select ';'", 'select ";" ; /* ; b */' },
    }
    for is_script, list in pairs(lists) do
      for _, sql in ipairs(list) do assert.equal(is_script, statement.of(sql, "postgres").is_script, sql) end
    end
  end)
end)

describe("statement", function()
  it("is analysed once, and forgotten when a thousand others came", function()
    local first = statement.of("select 'once'", "sqlite")
    assert.equal(first, statement.of("select 'once'", "sqlite"))
    assert.not_equal(first, statement.of("select 'once'", "postgres"))
    for i = 1, 1100 do statement.of("select " .. i, "sqlite") end
    assert.not_equal(first, statement.of("select 'once'", "sqlite"))
  end)

  it("that is in use is not forgotten", function()
    local first = statement.of("select 'kept'", "sqlite")
    for i = 1, 5000 do
      statement.of("select -" .. i, "sqlite")
      assert.equal(first, statement.of("select 'kept'", "sqlite"))
    end
  end)

  it("has no NUL byte, and a complaint shows it without its literals", function()
    local text, complaint = statement.of("select 'hush\0'", "postgres")
    assert.is_nil(text)
    assert.truthy(complaint:find("NUL", 1, true))
    text, complaint = statement.of("select 'hush', ?, $1", "postgres")
    assert.is_nil(text)
    assert.truthy(complaint:find("in: select ?, ?, $1", 1, true), complaint)
    assert.is_nil(complaint:find("hush", 1, true))
  end)
end)

describe("redact", function()
  it("keeps the shape and nothing that was carried", function()
    local rows = {
      { "select * from t where a = 'secret' and b = 42", "select * from t where a = ? and b = ?" },
      { "select E'sec\\'ret' -- secret\n, $q$secret$q$", "select ? , ?" },
      { "insert into t\n  values\t(1.5e3, :a, 'it''s') /* secret */", "insert into t values (?, :a, ?)" },
      { "select $1, \"name\"", 'select $1, "name"' },
      { "  select 1  ", "select ?" },
      { "alter role x password 'secret", "alter role x password ?" },
    }
    for _, row in ipairs(rows) do assert.equal(row[2], redact.statement(row[1], postgres)) end
  end)

  it("is one short line however long the statement is", function()
    local shown = redact.statement("select " .. ("column, "):rep(10000) .. "'secret'", postgres)
    assert.equal(200, #shown)
    assert.equal("...", shown:sub(-3))
  end)
end)
