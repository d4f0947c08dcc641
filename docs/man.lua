-- man.lua SECTION - writes the manual pages from the tables in the sources: 1, the program; 5, its declarations.

local commands = require "nebula.cli.commands"
local keys = require "nebula.keys"
local kind = require "nebula.kind"
local rows = require "nebula.declare.rows"
local services = require "nebula.service"
local version = require "nebula.version"
local worker = require "nebula.worker"

local function plain(text)
  return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("\n%.", "\n\\&."):gsub("^%.", "\\&."):gsub("\n'", "\n\\&'"))
end

local function head(section, about)
  print((".TH NEBULA %d \"\" \"nebula %s\" \"nebula\""):format(section, version))
  print(".SH NAME\nnebula \\- " .. plain(about))
end

local function item(term, text)
  print(".TP\n.B " .. plain(term) .. "\n" .. plain((text:gsub("%s+", " "))))
end

local function paragraphs(text)
  for part in (text .. "\n\n"):gmatch "(.-)\n\n" do
    if part ~= "" then
      print(".PP\n" .. plain((part:gsub("%s+", " "))))
    end
  end
end

local write = {}

write["1"] = function()
  head(1, "run workflows in Lua on pooled resources of the outside world")
  print ".SH SYNOPSIS\n.B nebula\n.I COMMAND\n[OPTIONS] [ARGUMENTS]"
  print ".SH DESCRIPTION"
  paragraphs [[
nebula owns the outside things a program depends on: it opens, pools, checks, cleans and closes their connections, and
knows of every call whether the server certainly did it, certainly did not, or may have. What there is stands in
resources/*.lua, how to treat it in policies/*.lua: see nebula(5).]]
  print ".SH COMMANDS"
  for _, name in ipairs(commands.order) do
    local command = commands.load(name)
    print((".SS %s"):format(plain(("nebula %s [OPTIONS] %s"):format(name, command.arguments or ""))))
    print(plain(command.text:gsub("^%l", string.upper) .. "."))
    paragraphs(command.manual or "")
    for _, option in ipairs(command.options) do
      item("--" .. option.name .. (option.value and " " .. option.value or ""), option.text)
    end
  end
  print ".SH ENVIRONMENT"
  item("NEBULA_HOME", "the folder with nebula's own kinds and policies, instead of the one that was installed")
  item("NEBULA_PATH", "folders with kinds of one's own, with : between: each has resources/NAME.lua and nebula-DRIVER.so")
  item("NEBULA_RUN_DIR", "the folder of the control sockets (default: nebula in XDG_RUNTIME_DIR, else in /tmp)")
  item("NEBULA_CORE", "1: a core dump is allowed, with the secrets that are in it")
  item("NO_COLOR", "anything: no colours")
  print ".SH EXIT STATUS"
  item("0", "ok")
  item("1", "the work failed")
  item("2", "invalid files or usage")
  print ".SH SEE ALSO\n.BR nebula (5)"
end

local function settings(title, fields, path)
  if title then
    print(".SS " .. plain(title))
  end
  for _, name in ipairs(keys(fields)) do
    local row, full = fields[name], path .. name
    local is_said = not (row.not_yet or row.instead)
    if is_said and (not row.fields or row.optional) then
      local words = row.one_of or row.of and row.of.one_of
      local values = words and table.concat(words, ", ") or row.optional and "table or false" or row.type
      local default = row.required and "; required" or row.default ~= nil and "; default " .. tostring(row.default) or ""
      item(full, ("(%s%s) %s"):format(values, default, row.text or ""))
    end
    local inner = is_said and (row.fields or row.of and row.of.fields)
    if inner then
      settings(nil, inner, row.fields and full .. "." or full .. ".NAME.")
    end
  end
end

write["5"] = function()
  head(5, "declarations of resources, policies and services")
  print ".SH DESCRIPTION"
  paragraphs [[
A folder declares what a program depends on: resources/*.lua say what there is, policies/*.lua how to treat it. Both are
Lua that is read once, under bounds, and can reach neither files nor processes. Everything that is wrong with them is
found at once: nebula check. What nebula serve keeps up is declared in services/*.lua, as service "name" { ... }, in the
Lua of workflows.]]
  print [[
.PP
.nf
.RS
-- resources/shop.lua
sqlite "shop" { file = "shop.db", pool = { max = 8 }, policy = "database" }

-- policies/patient.lua
return policy "patient" { like = "standard", call = { deadline = "1m" } }
.RE
.fi]]
  paragraphs [[
A duration is a string with a unit ("250ms", "5s", "10m", "1h"), a size too ("64KB", "8MB"). env "NAME" is the value of an
environment variable.]]
  print ".SH SETTINGS"
  settings("Every resource", rows.resource, "")
  settings("A policy", rows.policy, "")
  settings("A service", services.rows, "")
  local kinds = kind.known(worker.home)
  for _, name in ipairs(keys(kinds)) do
    settings("Kind " .. name, kinds[name].options, "")
  end
  print ".SH SEE ALSO\n.BR nebula (1)"
end

write[(...)]()
