-- settings.lua - writes the reference page of all settings from the rows that check them.

local chaos = require "nebula.declare.chaos"
local keys = require "nebula.keys"
local kind = require "nebula.kind"
local rows = require "nebula.declare.rows"
local services = require "nebula.service"
local strategies = require "nebula.declare.strategies"
local worker = require "nebula.worker"

-- Types that are not called as they are written.
local called = {
  question = "a function", data = "any plain value",
  pace = 'rate, such as `"200/s"`', window = "number of calls, 1 to 1000, or duration",
  delay = 'duration, or percentile, such as `"p95"`', table = "table, or `false`",
}

local function kind_of_value(row)
  if row.one_of then
    return "`" .. table.concat(row.one_of, "` `") .. "`" .. (row.listed and ", or a list" or "")
  elseif row.lone then
    return "a table, or a list of such"
  elseif row.of and row.of.one_of then
    return row.type .. " of " .. kind_of_value(row.of)
  elseif called[row.type] then
    return called[row.type] .. (row.short and ", or its `" .. row.short .. "` alone" or "")
  end
  local bounds = (row.type == "integer" or row.type == "number") and row.min and row.max
    and (", %g to %g"):format(row.min, row.max) or ""
  return row.type .. bounds .. (row.listed and ", or a list" or "") .. (row.words and ", or `" .. table.concat(row.words, "` `") .. "`" or "")
end

local function default_of(row)
  return row.required and "required" or row.default ~= nil and "`" .. tostring(row.default) .. "`" or ""
end

local function cell(text)
  return ((text or ""):gsub("|", "\\|"):gsub("%s+", " "))
end

local function print_row(row, path)
  if row.not_yet then
    print(("| `%s` | | | | not yet in force: %s |"):format(path, cell(row.not_yet)))
  else
    print(("| `%s` | %s | %s | %s | %s |"):format(path, kind_of_value(row), default_of(row), row.class or "",
      cell(row.text)))
  end
end

-- One line for each setting that is no table, or may be without one; a table's own settings follow it, as pool.min.
local function print_rows(fields, path)
  for _, name in ipairs(keys(fields)) do
    local row, full = fields[name], path .. name
    local inner = not row.not_yet and (row.fields or row.of and row.of.fields)
    if not row.instead and (not row.fields or row.not_yet or row.optional) then
      print_row(row, full)
    end
    if inner then
      print_rows(inner, row.type == "map" and full .. ".NAME." or full .. ".")
    end
  end
end

local function print_table(title, text, fields)
  print(("\n## %s\n\n%s\n"):format(title, text))
  print "| setting | value | default | change | what it does |"
  print "|---|---|---|---|---|"
  print_rows(fields, "")
end

print [[
# Settings

Written by `make docs` from the rows that check the declarations.

A duration is a string with a unit (`"250ms"`, `"5s"`, `"10m"`, `"1h"`), a size too (`"64KB"`, `"8MB"`), a share a number or a percentage (`0.5`, `"50%"`). *Change* says
what a changed setting will take once declarations can be reloaded: `live` at the next call, `next-connection` with new
connections, `restart` with a new program. A setting that is known but not yet in force is refused by name.]]

print_table("Every resource", "`KIND \"name\" { ... }` in `resources/*.lua`.", rows.resource)
print_table("A policy", "`return policy \"name\" { ... }` in `policies/*.lua`.", rows.policy)
print_table("A strategy", "`return strategy \"name\" { ... }` in `policies/*.lua`; a pool names it.", strategies.rows)
print "\nWhat its `size` gets:\n"
print "| field | unit | what it tells |"
print "|---|---|---|"
for _, field in ipairs(strategies.fields) do
  print(("| `pool.%s` | %s | %s |"):format(field[1], field[2], cell(field[3])))
end
print_table("Chaos", "`chaos \"name\" { ... }` in either of these: faults on purpose, only with `--allow-chaos`.", chaos.rows)
print_table("A service", "`service \"name\" { ... }` in `services/*.lua`, for `nebula serve`.", services.rows)
local kinds = kind.known(worker.home)
for _, name in ipairs(keys(kinds)) do
  print_table("Kind `" .. name .. "`", "Beside what every resource has.", kinds[name].options)
end
