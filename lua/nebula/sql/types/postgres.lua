--- types of PostgreSQL: what each one has, by OID.
--
--   int2 int4 int8 oid        number, an int64_t beyond 2^53      the driver's or ours in arrays
--   float4 float8             number
--   bool                      boolean
--   bytea                     string
--   json jsonb                table, string, number, boolean; json.null
--   date timestamp timestamptz   a moment (time.lua), with infinity
--   interval                  an interval (time.lua)
--   ranges and multiranges    a range (range.lua)
--   arrays of all these       array (array.lua)
--   numeric, uuid, time, text and everything else: a string in the server's own words, exact
--
-- What a database defines itself, and how all of it becomes decoders, is in catalog.lua.

local bytes = require "nebula.sql.types.bytes"
local json = require "nebula.sql.types.json"
local number = require "nebula.sql.types.number"
local time = require "nebula.sql.types.time"

local function words(text) return text end

local function moment(kind)
  return function(text) return time.moment(kind, text) end
end

local truths = { t = true, f = false }

local specials = { NaN = 0 / 0, Infinity = math.huge, ["-Infinity"] = -math.huge }

local function float(text)
  return specials[text] or tonumber(text)
end

-- Each type with how its words are read, its OID and the OID of its arrays.
local rows = {
  { name = "bool", decode = function(text) return truths[text] end, oid = 16, array = 1000 },
  { name = "bytea", decode = bytes.unhex, oid = 17, array = 1001 },
  { name = "char", decode = words, oid = 18, array = 1002 },
  { name = "name", decode = words, oid = 19, array = 1003 },
  { name = "int8", decode = number.integer, oid = 20, array = 1016 },
  { name = "int2", decode = number.integer, oid = 21, array = 1005 },
  { name = "int4", decode = number.integer, oid = 23, array = 1007 },
  { name = "text", decode = words, oid = 25, array = 1009 },
  { name = "oid", decode = number.integer, oid = 26, array = 1028 },
  { name = "json", decode = json.decode, oid = 114, array = 199 },
  { name = "cidr", decode = words, oid = 650, array = 651 },
  { name = "float4", decode = float, oid = 700, array = 1021 },
  { name = "float8", decode = float, oid = 701, array = 1022 },
  { name = "inet", decode = words, oid = 869, array = 1041 },
  { name = "bpchar", decode = words, oid = 1042, array = 1014 },
  { name = "varchar", decode = words, oid = 1043, array = 1015 },
  { name = "date", decode = moment "date", oid = 1082, array = 1182 },
  { name = "time", decode = words, oid = 1083, array = 1183 },
  { name = "timestamp", decode = moment "timestamp", oid = 1114, array = 1115 },
  { name = "timestamptz", decode = moment "timestamptz", oid = 1184, array = 1185 },
  { name = "interval", decode = time.interval, oid = 1186, array = 1187 },
  { name = "timetz", decode = words, oid = 1266, array = 1270 },
  { name = "numeric", decode = words, oid = 1700, array = 1231 },
  { name = "uuid", decode = words, oid = 2950, array = 2951 },
  { name = "jsonb", decode = json.decode, oid = 3802, array = 3807 },
}

-- Those that stay words, each with its OID and that of its arrays: here so that their arrays are arrays, and so that a
-- codec can be said for them.
local others = {
  int2vector = { 22, 1006 }, regproc = { 24, 1008 }, tid = { 27, 1010 }, xid = { 28, 1011 }, cid = { 29, 1012 },
  oidvector = { 30, 1013 }, xml = { 142, 143 }, point = { 600, 1017 }, lseg = { 601, 1018 }, path = { 602, 1019 },
  box = { 603, 1020, delimiter = ";" }, polygon = { 604, 1027 }, line = { 628, 629 }, circle = { 718, 719 },
  macaddr8 = { 774, 775 }, money = { 790, 791 }, macaddr = { 829, 1040 }, aclitem = { 1033, 1034 },
  bit = { 1560, 1561 }, varbit = { 1562, 1563 }, refcursor = { 1790, 2201 }, regprocedure = { 2202, 2207 },
  regoper = { 2203, 2208 }, regoperator = { 2204, 2209 }, regclass = { 2205, 2210 }, regtype = { 2206, 2211 },
  record = { 2249, 2287 }, txid_snapshot = { 2970, 2949 }, pg_lsn = { 3220, 3221 }, tsvector = { 3614, 3643 },
  tsquery = { 3615, 3645 }, regconfig = { 3734, 3735 }, regdictionary = { 3769, 3770 }, jsonpath = { 4072, 4073 },
  regnamespace = { 4089, 4090 }, regrole = { 4096, 4097 }, regcollation = { 4191, 4192 },
  pg_snapshot = { 5038, 5039 }, xid8 = { 5069, 271 },
}

-- Each range with its OID, that of its multirange (since PostgreSQL 14), and their arrays.
local ranges = {
  { name = "int4", of = 23, oid = 3904, array = 3905, many = 4451, many_array = 6150 },
  { name = "num", of = 1700, oid = 3906, array = 3907, many = 4532, many_array = 6151 },
  { name = "ts", of = 1114, oid = 3908, array = 3909, many = 4533, many_array = 6152 },
  { name = "tstz", of = 1184, oid = 3910, array = 3911, many = 4534, many_array = 6153 },
  { name = "date", of = 1082, oid = 3912, array = 3913, many = 4535, many_array = 6155 },
  { name = "int8", of = 20, oid = 3926, array = 3927, many = 4536, many_array = 6157 },
}

local M = {}

--- By OID: what every PostgreSQL has. `decode` is false for what stays words.
---@type table<integer, nebula.sql.Type>
M.types = {}

-- Types whose values are no words any more when Lua sees them.
local by_driver = { bool = true, int2 = true, int4 = true, int8 = true, oid = true, float4 = true, float8 = true,
  bytea = true }

-- What SQL calls a type that has another name in the database.
local sql_names = {
  int = "int4", integer = "int4", smallint = "int2", bigint = "int8", real = "float4", ["double precision"] = "float8",
  boolean = "bool", decimal = "numeric", character = "bpchar", ["character varying"] = "varchar",
  ["bit varying"] = "varbit", ["time without time zone"] = "time", ["time with time zone"] = "timetz",
  ["timestamp without time zone"] = "timestamp", ["timestamp with time zone"] = "timestamptz",
}

for _, row in ipairs(rows) do
  M.types[row.oid] = { name = row.name, kind = "word", decode = row.decode ~= words and row.decode }
  M.types[row.array] = { name = "_" .. row.name, kind = "array", of = row.oid }
end

for name, row in pairs(others) do
  M.types[row[1]] = { name = name, kind = "word", decode = false }
  M.types[row[2]] = { name = "_" .. name, kind = "array", of = row[1], delimiter = row.delimiter }
end

for _, row in ipairs(ranges) do
  M.types[row.oid] = { name = row.name .. "range", kind = "range", of = row.of }
  M.types[row.many] = { name = row.name .. "multirange", kind = "multirange", of = row.of }
  M.types[row.array] = { name = "_" .. row.name .. "range", kind = "array", of = row.oid }
  M.types[row.many_array] = { name = "_" .. row.name .. "multirange", kind = "array", of = row.many }
end

--- Why a codec of this name would never be asked for anything; nil when it may be.
---@param name string of a type, "pg_catalog.name" too
---@return string|nil
function M.refusal(name)
  local plain = name:match "^pg_catalog%.(.*)$" or name
  if sql_names[plain] then
    return ('%s is called "%s" in the database'):format(plain, sql_names[plain])
  elseif by_driver[plain] then
    return plain .. " needs none: its values are numbers, booleans or bytes before Lua sees them"
  end
end

return M
