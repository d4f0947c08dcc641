--- catalog: the types of one database: those of every PostgreSQL, those it was asked about, and codecs.
--
-- Types that a database defines (enums, composites, ranges, those of extensions) have numbers of its own. They are
-- learnt when a reply first has one that is not known, all that it is made of with it, and kept: a type keeps its
-- number for as long as it lives. When a value does not look like its type any more, what was learnt is forgotten once;
-- a field that has another name looks as before, so composites are asked for again now and then (reading.lua).
--
-- A codec says for one type of one resource what its words are in Lua: orders:codec("ltree", { decode = fn }). Some
-- come with the program, in extension/: they count for types that really belong to that extension.

local array = require "nebula.sql.types.array"
local composite = require "nebula.sql.types.composite"
local errors = require "nebula.error"
local range = require "nebula.sql.types.range"
local standard = require "nebula.sql.types.postgres"
local whose = require "nebula.sql.types.whose"
local words = require "nebula.sql.types.words"

local FIRST_OWN = 16384 -- smaller numbers are the same in every PostgreSQL
local BYTEA = 17

local shipped = { hstore = "nebula.sql.types.extension.hstore" }

---@class nebula.sql.Type
---@field name string
---@field schema string|nil
---@field kind "word"|"enum"|"array"|"composite"|"range"|"multirange"|"domain"
---@field of integer|nil the element, the range's bound, the domain's base
---@field delimiter string|nil of an array
---@field fields { [1]: string, [2]: integer }[]|nil
---@field extension string|nil to which it belongs

---@class nebula.Codec what a type's words are in Lua
---@field decode nil|fun(text: string): any not nil; default: the words
---@field encode nil|fun(value: any): string default: tostring

---@class nebula.sql.Catalog
---@field decoders table<integer, false|fun(text: string): any> by number; false: words as they are; nil: not known
---@field learnt table<integer, nebula.sql.Type>
---@field codecs table<string, nebula.Codec> by name
---@field name string|nil of the resource of the tenant whose database it is
---@field is_stale boolean|nil while a reply is read: a value did not look like its type
---@field due_us number|nil from when on they are to be asked for again; nil: no composite was learnt
---@field failure string|nil while a reply is read: what a codec said of a value
---@field question string
local Catalog = {}
Catalog.__index = Catalog

-- --- decoders ---------------------------------------------------------------------------------------

-- What does not look like its type stays words, and is said.
local function fits(self, value, text)
  if value ~= nil then return value end
  self.is_stale = true
  return text
end

local function value_of(self, oid, text)
  local decode = self.decoders[oid]
  if decode then return decode(text) end
  return text
end

local makers = {}

function makers.array(self, type_of)
  local function item(text) return value_of(self, type_of.of, text) end
  return function(text)
    if not text:find "^[{%[]" then return fits(self, nil, text) end
    return array.decode(text, item, type_of.delimiter)
  end
end

function makers.range(self, type_of)
  local function bound(text) return value_of(self, type_of.of, text) end
  return function(text) return fits(self, range.decode(text, bound), text) end
end

function makers.multirange(self, type_of)
  local function bound(text) return value_of(self, type_of.of, text) end
  return function(text) return fits(self, range.decode_many(text, bound), text) end
end

function makers.composite(self, type_of)
  local names, are_bytes, fields = {}, {}, type_of.fields
  for at, field in ipairs(fields) do names[at], are_bytes[at] = field[1], field[2] == BYTEA end
  local class = composite.class(names, are_bytes)
  local function field_of(at, text) return value_of(self, fields[at][2], text) end
  return function(text) return fits(self, composite.decode(text, names, class, field_of), text) end
end

function makers.domain(self, type_of)
  return self.decoders[type_of.of] or false
end

function makers.word()
  return false
end

makers.enum = makers.word -- but in binary

-- What a codec raises would come out in the middle of a reply, so it waits for its end. While one waits others read.
local function guarded(self, name, decode)
  return function(text)
    local failure, is_stale = self.failure, self.is_stale
    local ok, value = pcall(decode, text)
    self.failure, self.is_stale = failure, is_stale
    if ok and value ~= nil then return value end
    self.failure = ("the codec of %s %s"):format(name, ok and "gave nil; a NULL is never asked for, so say null"
      or "failed: " .. tostring(value))
    return text
  end
end

local function codec_of(self, type_of)
  local codec = self.codecs[type_of.name] or self.codecs[(type_of.schema or "pg_catalog") .. "." .. type_of.name]
  local module = not codec and type_of.extension and shipped[type_of.name]
  local own = module and require(module)
  return codec or own and own.extension == type_of.extension and own or nil
end

-- What is not in the words of its type stays words.
local function forgiving(decode)
  return decode and function(text)
    local ok, value = pcall(decode, text)
    if not ok or value == nil then return text end
    return value
  end
end

--- What is known of a type; nil of one that was not learnt, or that every PostgreSQL has and nothing here knows.
---@return nebula.sql.Type|nil
---@return boolean|nil has_codec its words are for a codec alone
function Catalog:type_of(oid)
  local type_of = self.learnt[oid] or standard.types[oid]
  return type_of, type_of and codec_of(self, type_of) ~= nil
end

local function make(self, oid)
  local type_of = self:type_of(oid)
  if not type_of and oid >= FIRST_OWN then return nil end
  if not type_of then return false end
  local codec = codec_of(self, type_of)
  if codec then return codec.decode and guarded(self, type_of.name, codec.decode) or false end
  if type_of.decode ~= nil then return forgiving(type_of.decode) end
  return forgiving(makers[type_of.kind](self, type_of))
end

local function new_decoders(self)
  return setmetatable({}, {
    __index = function(decoders, oid)
      local decode = make(self, oid)
      decoders[oid] = decode
      return decode
    end,
  })
end

-- --- learning ---------------------------------------------------------------------------------------

-- Asks for types and all that they are made of. One value: their numbers, as an array.
local QUESTION = [[
with recursive wanted (oid) as (
  select unnest($1::oid[])
  union
  select made.oid from wanted w
    join pg_catalog.pg_type t on t.oid = w.oid
    left join pg_catalog.pg_range r on r.rngtypid = t.oid or (to_jsonb(r) ->> 'rngmultitypid')::oid = t.oid
    cross join lateral (
      select t.typelem union all select t.typbasetype union all select r.rngsubtype union all
      select a.atttypid from pg_catalog.pg_attribute a
        where a.attrelid = t.typrelid and t.typrelid <> 0 and a.attnum > 0 and not a.attisdropped
    ) made (oid) where made.oid <> 0)
select t.oid::bigint as oid, t.typname::text as name, n.nspname::text as schema, x.extname::text as extension,
  case when t.typinput = 'pg_catalog.array_in'::regproc then 'array' when t.typtype = 'c' then 'composite'
    when t.typtype = 'r' then 'range' when t.typtype = 'm' then 'multirange' when t.typtype = 'd' then 'domain'
    when t.typtype = 'e' then 'enum' else 'word' end as kind,
  case when t.typtype in ('r', 'm') then r.rngsubtype when t.typtype = 'd' then t.typbasetype else t.typelem end::bigint
    as "of",
  e.typdelim::text as delimiter,
  (select json_agg(json_build_array(a.attname, a.atttypid::bigint) order by a.attnum) from pg_catalog.pg_attribute a
    where a.attrelid = t.typrelid and t.typtype = 'c' and a.attnum > 0 and not a.attisdropped) as fields
from wanted w
  join pg_catalog.pg_type t on t.oid = w.oid
  join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  left join pg_catalog.pg_type e on e.oid = t.typelem
  left join pg_catalog.pg_range r on r.rngtypid = t.oid or (to_jsonb(r) ->> 'rngmultitypid')::oid = t.oid
  left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_type'::regclass and d.objid = t.oid
    and d.refclassid = 'pg_catalog.pg_extension'::regclass and d.deptype = 'e'
  left join pg_catalog.pg_extension x on x.oid = d.refobjid
where t.oid >= 16384]]

Catalog.question = QUESTION
Catalog.first_own = FIRST_OWN

--- Remembers what the question brought. A number of which it brought nothing stands for words.
---@param asked integer[]
---@param rows nebula.sql.Type[]
function Catalog:learn(asked, rows)
  for _, oid in ipairs(asked) do self.learnt[oid] = { name = "", kind = "word" } end
  for _, row in ipairs(rows) do
    if row.kind == "composite" and type(row.fields) ~= "table" then row.fields = {} end
    self.learnt[row.oid] = row
  end
  self.decoders = new_decoders(self)
end

--- What was learnt is not true any more.
function Catalog:forget()
  self.learnt, self.due_us = {}, nil
  self.decoders = new_decoders(self)
end

-- --- codecs -----------------------------------------------------------------------------------------

local function check(codec)
  if type(codec) ~= "table" then
    errors.raise("codec(name, codec): codec must be a table, not %s", type(codec))
  end
  for field, fn in pairs(codec) do
    if field ~= "decode" and field ~= "encode" then
      errors.raise("codec: there is no field %s; write decode and encode", tostring(field))
    elseif type(fn) ~= "function" then
      errors.raise("codec: %s must be a function, not %s", field, type(fn))
    end
  end
end

-- What makes a parameter of a value.
local function maker_of(name, codec)
  local encode = codec.encode or words.of
  return function(value)
    local ok, text = pcall(encode, value)
    if not ok or type(text) ~= "string" then
      errors.raise("the codec of %s makes no words of this: %s", name, tostring(text))
    end
    return words.coded(text)
  end
end

-- --- one for each database --------------------------------------------------------------------------

-- By resource; of one that is another database for each tenant, a catalog for each, by the number of his own resource.
-- A number goes to another tenant when nobody has asked for the first one for long, so the name is compared.
---@type table<nebula.Resource, { codecs: table<string, nebula.Codec>, by_number: table<integer, nebula.sql.Catalog> }>
local catalogs = {}

local function all_of(resource)
  catalogs[resource] = catalogs[resource] or { codecs = {}, by_number = {} }
  return catalogs[resource]
end

local M = {}

--- The catalog of the database that the current task is served by, or that a lease is of: that of the tenant who asked
--- for it, whoever uses it.
---@param resource nebula.Resource
---@param lease nebula.Lease|nil
---@return nebula.sql.Catalog
function M.of(resource, lease)
  local all = catalogs[resource] or all_of(resource)
  local number, name = whose(resource, lease)
  local self = all.by_number[number]
  if not self or self.name ~= name then
    self = setmetatable({ learnt = {}, codecs = all.codecs, name = name }, Catalog)
    self.decoders = new_decoders(self)
    all.by_number[number] = self
  end
  return self
end

--- Says what the words of a type are in Lua, or asks for what was said.
---@param resource nebula.Resource
---@param name string of the type, as the database has it; "schema.name" for one of several
---@param codec nebula.Codec|nil
---@return fun(value: any): table # makes a parameter of a value
function M.codec(resource, name, codec)
  local all = all_of(resource)
  if type(name) ~= "string" then
    errors.raise("codec(name, codec): name must be a string, not %s", type(name))
  elseif standard.refusal(name) then
    errors.raise("codec: %s", standard.refusal(name))
  elseif codec ~= nil then
    check(codec)
    all.codecs[name] = codec
    for _, one in pairs(all.by_number) do one.decoders = new_decoders(one) end
  end
  codec = all.codecs[name] or shipped[name] and require(shipped[name])
    or errors.raise("codec: nothing was said of %s yet", name)
  return maker_of(name, codec)
end

return M
