-- author.lua - writes random programs: the same seed is the same program.
--
-- A program is a list of rounds. In each, ACTORS tasks do one unit of work side by side, each with rows of its own, and
-- meanwhile something may be done to them. A unit is one statement, a script, a transaction with savepoints in it,
-- or some statements on a lease:
--
--   { kind = "single", deadline = "300ms", statement }
--   { kind = "transaction", deadline = ..., isolation = ..., ending = "commit"|"refuse"|"raise", item, ... }
--   item: a statement { word, k, d } or { savepoint = true, ending = ..., item, ... }
local dice = require "spec.support.dice"

local author = { ACTORS = 3 }

local ROUNDS_MOST, KEYS = 4, 4
local words = { "add", "add", "inc", "inc", "inc", "del", "put", "get", "list", "bad", "nap" }
local changes = { "add", "inc", "del", "put" }
local endings = { "commit", "commit", "commit", "refuse", "raise" }
local kinds = { "single", "single", "script", "transaction", "transaction", "transaction", "lease" }
local disturbances = { "cut", "kill", "truncate", "blackhole", "cancel", "none" }

local function pick(roll, list) return list[roll(1, #list)] end

local function statement(roll, from)
  return { word = pick(roll, from or words), k = roll(1, KEYS), d = roll(1, 9) }
end

local function fill_items(roll, list, depth)
  for _ = 1, roll(1, 4) do
    if depth < 3 and roll(1, 4) == 1 then
      list[#list + 1] = fill_items(roll, { savepoint = true, ending = pick(roll, endings) }, depth + 1)
    else
      list[#list + 1] = statement(roll)
    end
  end
  return list
end

local function unit(roll, is_calm)
  local kind = pick(roll, kinds)
  local deadline = is_calm and "30s" or roll(1, 4) == 1 and roll(2, 60) .. "ms" or "300ms"
  if kind == "single" then return { kind = kind, deadline = deadline, statement(roll) } end
  if kind == "transaction" then
    return fill_items(roll, { kind = kind, deadline = deadline, ending = pick(roll, endings),
      isolation = roll(1, 4) == 1 and "repeatable read" or nil }, 1)
  end
  local made = { kind = kind, deadline = deadline }
  for i = 1, roll(2, 4) do made[i] = statement(roll, kind == "script" and changes or nil) end
  return made
end

local function disturbance(roll)
  return { kind = pick(roll, disturbances), at = roll(0, 25), for_ms = roll(5, 80), bytes = roll(0, 400),
    way = pick(roll, { "up", "down" }), ending = pick(roll, { "close", "close", "silence" }), actor = roll(1, author.ACTORS) }
end

---@param seed integer
---@return table program { seed, is_calm, round, ... }; each round { disturbance, unit, ... }
function author.write(seed)
  local roll = dice(seed)
  local program = { seed = seed, is_calm = roll(1, 3) == 1 }
  for i = 1, roll(1, ROUNDS_MOST) do
    local round = { disturbance = program.is_calm and { kind = "none" } or disturbance(roll) }
    for a = 1, author.ACTORS do round[a] = unit(roll, program.is_calm) end
    program[i] = round
  end
  return program
end

-- --- in print ---------------------------------------------------------------------------------------

local show

local function show_items(list)
  local shown = {}
  for i, item in ipairs(list) do shown[i] = show(item) end
  return table.concat(shown, "; ")
end

function show(item)
  if item.savepoint then return ("savepoint(%s; %s)"):format(show_items(item), item.ending) end
  return ("%s %d %d"):format(item.word, item.k, item.d)
end

---@return string
function author.print(program)
  local lines = { "program " .. program.seed }
  for i, round in ipairs(program) do
    local how = round.disturbance
    lines[#lines + 1] = ("  round %d: %s"):format(i, how.kind == "none" and "undisturbed" or ("%s after %d ms (for %d ms, %s %d bytes, %s, actor %d)")
      :format(how.kind, how.at, how.for_ms, how.way, how.bytes, how.ending, how.actor))
    for actor, made in ipairs(round) do
      lines[#lines + 1] = ("    actor %d, %s within %s: %s%s%s"):format(actor, made.kind, made.deadline, show_items(made),
        made.ending and "; " .. made.ending or "", made.isolation and ", " .. made.isolation or "")
    end
  end
  return table.concat(lines, "\n")
end

return author
