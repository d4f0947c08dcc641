-- SQLite keeps the contract of the SQL kinds, and what is its own.

local clock = require "spec.support.clock"
local contract = require "spec.kinds.contract"
local declared = require "spec.kinds.declared"
local tmp = require "spec.support.tmp"

local folder = tmp.folder()

local function declare(name, settings)
  return ('sqlite %q { file = %q, %s }'):format(name, folder .. "/contract.db", settings)
end

describe("sqlite", function()
  contract {
    prefix = "sqlite_contract",
    declare = declare,
    serial = "integer primary key",
    bytes = "blob",
    writing = { role = "writer" },
    slow = "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) from n",
    slow_ends = "failed",
    breaks_in_the_middle = "select json_extract(value, '$') from json_each('[\"1\", \"2\", \"broken\"]')",
    unopenable = {
      settings = ('file = %q, create = false, pool = { max = 1, connect = "2s" }'):format(folder .. "/nothing.db"),
      code = "unreachable",
      action = "wait",
    },
    dirty = {
      { "create temp table mine (a)", "select count(*) from sqlite_temp_master", 0 },
      { "pragma case_sensitive_like = on", "select 'a' like 'A'", 1 },
    },
  }
end)
