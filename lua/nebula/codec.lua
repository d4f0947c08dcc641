--- codec: values as bytes and back, for what goes from one worker to another.
--
--   local bytes, why = codec.encode(value, "value", 1e6)   -- nil: "value.orders[3].lease: a lease ..."
--   local copy = codec.decode(bytes)
--
-- nil, booleans, numbers, strings, null, int64 and uint64, tables of these, and what rows hold (moments, ranges,
-- arrays ...; codec/classes.lua). The bytes are LuaJIT's own (string.buffer), which looks at nothing: a metatable would
-- be lost, a table that is named twice grows with each name. So each value is weighed before, in one walk that comes to
-- each table once, and whatever would not be the same there is refused with its place.

local buffer = require "string.buffer"
local c = require "nebula.c"
local lazy = require "nebula.lazy"
local refusals = require "nebula.codec.refusals"
local value = require "nebula.value"

local classes = lazy "nebula.codec.classes"
local null, integer, next = value.null, c.integer, next
local metatable_of = debug.getmetatable -- whatever __metatable says

local DEEPEST = 100              -- tables inside each other, as string.buffer has it
local PLAIN, CLASSED, OWN = "\1", "\2", "\3" -- the first byte: no metatables; ours; and those of a database
local NUMBER = #buffer.encode(1) -- bytes that one has at least: less where whole numbers have a type of their own
local STEP = 128                 -- weights and heights are kept as one number; more than DEEPEST

local codec = {}

-- --- weighing ---------------------------------------------------------------------------------------

---@class nebula.codec.Weighing
---@field package seen table<table, number|false> weight and height; false while the walk is inside
---@field package own table|nil metatables that are a database's own, in order, and their places
---@field package is_classed boolean|nil there are metatables

local weigh

local function complain(why)
  return nil, { why = why, path = "" }
end

local function below(complaint, key)
  complaint.path = refusals.step(key) .. complaint.path
  return nil, complaint
end

-- A key is what it was by being equal to it, which a copy of a table or a cdata is not.
local function weigh_key(key)
  local kind = type(key)
  if kind == "string" then return #key + 1 end
  if kind == "number" then return 0 end -- where it counts on from the one before it takes none
  if kind == "boolean" or kind == "userdata" and key == null then return 1 end
  return complain(("a key is a %s; keys are strings, numbers and booleans"):format(kind))
end

local function weigh_metatable(w, table, metatable)
  local known = classes.known(metatable)
  if not known then return complain(refusals.of_table(table)) end
  w.is_classed = true
  if known ~= "own" then return 2 end
  w.own = w.own or {}
  if not w.own[metatable] then
    w.own[#w.own + 1] = metatable
    w.own[metatable] = true
  end
  return 2
end

local function weigh_inside(w, table, depth)
  local weight, height = 1, 0
  local metatable = metatable_of(table)
  if metatable then
    local more, complaint = weigh_metatable(w, table, metatable)
    if not more then return nil, complaint end
    weight = weight + more
  end
  for key, one in next, table do
    local of_key, complaint = weigh_key(key)
    if not of_key then return nil, complaint end
    local of_value, of_height = weigh(w, one, depth)
    if not of_value then return below(of_height, key) end
    weight = weight + of_key + of_value
    if of_height > height then height = of_height end
  end
  return weight, height + 1
end

local function weigh_table(w, table, depth)
  local known = w.seen[table]
  if known == false then return complain "a table that is inside itself, which has no end as a copy" end
  local weight, height
  if known then
    height = known % STEP
    weight = (known - height) / STEP
  elseif depth < DEEPEST then
    w.seen[table] = false
    weight, height = weigh_inside(w, table, depth + 1)
    if not weight then return nil, height end
    w.seen[table] = weight * STEP + height
  end
  if not known and not weight or depth + height > DEEPEST then
    return complain(("more than %d tables inside each other"):format(DEEPEST))
  end
  return weight, height
end

-- What it has at least in bytes, and how many tables are inside each other; or nil and a complaint.
function weigh(w, one, depth)
  local kind = type(one)
  if kind == "string" then return #one + 1, 0 end
  if kind == "number" then return NUMBER, 0 end
  if kind == "table" then return weigh_table(w, one, depth) end
  if kind == "boolean" or kind == "nil" or kind == "userdata" and one == null then return 1, 0 end
  if kind == "cdata" and integer(one) then return 9, 0 end
  return complain(refusals.of(one))
end

-- --- bytes ------------------------------------------------------------------------------------------

local KEPT = 65536 -- bytes that a buffer keeps when it is used again

local plain, classed = buffer.new(), nil
local nothing = {} -- what is no table has no metatable

local function classed_buffer()
  classed = classed or buffer.new { metatable = classes.list() }
  return classed:reset()
end

-- What classes are a database's own is said before the value, once, so they need a buffer of their own.
local function buffer_for(w)
  if not w.is_classed then return plain:reset():put(PLAIN) end
  if not w.own then return classed_buffer():put(CLASSED) end
  return buffer.new({ metatable = classes.list(w.own) }):put(OWN):encode(classes.describe(w.own))
end

local function buffer_of(bytes)
  local first = bytes:sub(1, 1)
  if first == PLAIN then return plain:reset():set(bytes):skip(1) end
  if first == CLASSED then return classed_buffer():set(bytes):skip(1) end
  if first ~= OWN then error("these are no bytes of ours", 0) end
  local own = classes.described(buffer.new():set(bytes):skip(1):decode())
  local from = buffer.new({ metatable = classes.list(own) }):set(bytes):skip(1)
  from:decode()
  return from
end

local function too_large(what, bytes, most, words)
  return nil, ("%s: it takes %s%.0f bytes, and %.0f is the most"):format(what, words, bytes, most), true
end

--- The bytes of a value.
---@param one any
---@param what string what it is called where something of it is refused: "value"
---@param most integer bytes
---@return string|nil bytes
---@return string|nil why not: a sentence with the place, "value.orders[3].lease: ..."
---@return boolean|nil is_too_large that is why
function codec.encode(one, what, most)
  local w = type(one) == "table" and { seen = {} } or nothing
  local weight, complaint = weigh(w, one, 0)
  if not weight then
    return nil, ("%s%s: %s"):format(what, refusals.shown(complaint.path), complaint.why)
  elseif weight >= most then
    return too_large(what, weight + 1, most, "at least ")
  end
  local into = buffer_for(w)
  local bytes = into:encode(one):get()
  if #bytes > KEPT then into:free() end
  if #bytes > most then return too_large(what, #bytes, most, "") end
  return bytes
end

--- The value of bytes that encode() made, in this worker or another one of the process. It raises on others, or makes
--- some value of them.
---@param bytes string
---@return any
function codec.decode(bytes)
  local from = buffer_of(bytes)
  local one = from:decode()
  local left = #from
  from:reset()
  if left > 0 then error("these are no bytes of ours: something stands behind the value", 0) end
  return one
end

-- In the beta of Debian 12 compiled code ends the process where a buffer raises, as it does on bytes that nobody made.
for _, fn in ipairs { classed_buffer, buffer_for, buffer_of, codec.encode, codec.decode } do
  jit.off(fn)
end

return codec
