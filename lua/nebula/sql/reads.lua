--- reads: what a database is asked for, as a text that no other question has. By it a cache knows whether it has the
-- answer (nebula/front.lua).
--
-- A question is one when its statement is idempotent by itself (the kind's table) and nobody says it is not, or its
-- caller says `cache = true` or `fallback = true`: it only reads. Within a transaction of the task on this resource
-- nothing may be in front.

local buffer = require "string.buffer"
local c = require "nebula.c"
local inside = require "nebula.sql.inside"
local options = require "nebula.options"
local value = require "nebula.value"
local verbs = require "nebula.sql.verbs"

local lib, engine = c.lib, c.engine
local null = value.null

local KEPT = 65536 -- bytes that the buffer keeps when it is used again

local into = buffer.new()

-- Each is written with its type, and says itself where it ends. False: the server will not take it either.
local function put(one)
  local kind = type(one)
  if kind == "string" or kind == "number" or kind == "boolean" or one == null or kind == "cdata" and c.integer(one) then
    into:encode(one)
  elseif value.is_bytes(one) then
    into:encode { one.bytes } -- which no other value is
  else
    return false
  end
  return true
end

local function put_plain(n, ...)
  for i = 1, n do
    if not put((select(i, ...))) then return false end
  end
  return true
end

local function put_list(n, list)
  for i = 1, n do
    if not put(list[i]) then return false end
  end
  return true
end

local function put_values(self, text, ...)
  local n = select("#", ...)
  if verbs.is_plain(text, n, ...) then return put_plain(n, ...) end
  return put_list(text.count, verbs.listed(self, text, ...))
end

local function tenant_of(self)
  return rawget(self, "has_tenants") and c.string(lib.nebula_task_tenant_name(engine)) or ""
end

local function is_question(self, given, text)
  if text.is_script or text.effect == "transaction" or given and given.dirty then return false end
  local is_known = verbs.is_idempotent(self, text) and not (given and given.idempotent == false)
  return (is_known or given and (given.cache or given.fallback)) and not verbs.is_dirtying(self, text)
    and not inside.is_in(self)
end

local function key_of(self, given, sql, ...)
  local text = verbs.understand(self, sql)
  if not is_question(self, given, text) then return nil end
  into:reset()
  into:encode(tenant_of(self)):encode(given and given.role or verbs.reading_role(self) or ""):encode(text.text)
  if not put_values(self, text, ...) then return nil end
  local key = into:get()
  if #key > KEPT then into:free() end
  return key, given
end

local reads = {}

for _, name in ipairs { "query", "one", "value" } do
  reads[name] = function(self, first, ...)
    if type(first) == "table" then
      return key_of(self, options.check(name, first, verbs.reading_options), ...)
    end
    return key_of(self, nil, first, ...)
  end
end

return reads
