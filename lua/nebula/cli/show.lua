--- show: how commands print: aligned tables, colours on a terminal alone, JSON for programs.

local json = require "cjson"
local plain = require "nebula.plain"
local worker = require "nebula.worker"

local show = {}

local no_color = os.getenv "NO_COLOR"
local is_coloured = worker.is_terminal(1) and (no_color == nil or no_color == "") and os.getenv "TERM" ~= "dumb"

local codes = { bold = 1, red = 31, green = 32, yellow = 33 }

--- The text in a colour, where colours are seen.
---@param colour "bold"|"red"|"green"|"yellow"
---@param text string
---@return string
function show.paint(colour, text)
  return is_coloured and ("\27[%dm%s\27[0m"):format(codes[colour], text) or text
end

--- Prints rows under a head, each column as wide as it needs.
---@param head string[]
---@param rows any[][]
function show.table(head, rows)
  local width = {}
  local function widen(row)
    for i, cell in ipairs(row) do
      width[i] = math.max(width[i] or 0, #tostring(cell))
    end
  end
  widen(head)
  for _, row in ipairs(rows) do
    widen(row)
  end
  local function line(row, colour)
    local cells = {}
    for i, cell in ipairs(row) do
      local is_number = type(cell) == "number"
      cells[i] = ("%" .. (is_number and "" or "-") .. width[i] .. "s"):format(tostring(cell))
    end
    local text = table.concat(cells, "  "):gsub("%s+$", "")
    print(colour and show.paint(colour, text) or text)
  end
  line(head, "bold")
  for _, row in ipairs(rows) do
    line(row)
  end
end

local EMPTY = "\1an empty list"

-- The members that are lists, ours and those of an engine's answer. An empty table of Lua could be an object too.
local lists = { engines = true, silent = true, refused = true, resources = true, errors = true, pools = true,
  connections = true, endpoints = true, listeners = true, channels = true, services = true, warnings = true,
  calls = true, events = true, records = true }

local function marked(value, name)
  if type(value) ~= "table" then
    return value
  elseif lists[name] and next(value) == nil then
    return EMPTY
  end
  local copy = {}
  for key, one in pairs(value) do
    copy[key] = marked(one, key)
  end
  return copy
end

--- One JSON value on one line.
---@param value any
function show.json(value)
  print((json.encode(marked(value)):gsub(json.encode(EMPTY):gsub("%p", "%%%0"), "[]")))
end

--- A complaint, on stderr.
---@param format string
---@param ... any
function show.complain(format, ...)
  io.stdout:flush()
  io.stderr:write("nebula: " .. plain(format:format(...), true) .. "\n")
end

return show
