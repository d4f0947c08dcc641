-- page.lua - a page of the docs as a spec takes it: its blocks, and a shell into which they are typed.
--
-- A block whose first line is a comment with the name of a file is that file. One of sh is typed, and one of text behind it
-- is what it says. Behind the language may stand "norun": not for a spec; or "like": numbers may be others.
local clock = require "spec.support.clock"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local page = {}

local OVER = "the block is over"

---@class spec.block
---@field language string "lua", "sh", "text" ...
---@field mark string? "norun", "like"
---@field name string? of the file that it is
---@field text string with its last newline
---@field line integer of the page at which it begins

---@param path string
---@return spec.block[] in their order; the ones with a name by that name, too
function page.blocks(path)
  local text, blocks, from = tmp.read(path), {}, 1
  while true do
    local at, to, language, mark, body = text:find("\n```(%w+) ?(%w*)\n(.-\n)```\n", from)
    if not at then return blocks end
    local name = body:match "^%-%- ([%w_/%-]+%.%w+)" or body:match "^/%* ([%w_/%-]+%.%w+)"
    local _, before = text:sub(1, at):gsub("\n", "")
    local block = { language = language, mark = mark ~= "" and mark or nil, name = name, text = body, line = before + 1 }
    blocks[#blocks + 1] = block
    if name then blocks[name] = block end
    from = to
  end
end

---Where the page leads within the repository: a path, or "" for itself, and the heading as links write it, or "".
---@param path string
---@return fun(): string?, string
function page.links(path)
  local text = tmp.read(path):gsub("\n```.-\n```", "")
  return coroutine.wrap(function()
    for to in text:gmatch "%]%(([^)%s]+)%)" do
      if not to:find "^%a+:" then coroutine.yield(to:match "^([^#]*)#?(.*)$") end
    end
  end)
end

---@param path string
---@return table<string, true> as links write them
function page.headings(path)
  local headings = {}
  for line in tmp.read(path):gsub("\n```.-\n```", ""):gmatch "[^\n]+" do
    local title = line:match "^#+ (.*)$"
    if title then headings[title:lower():gsub("[^%w%- _]", ""):gsub(" ", "-")] = true end
  end
  return headings
end

-- What is left of a text when its numbers do not count, and the width that they need.
local function alike(text)
  return (text:gsub("%d[%d.:]*", "0"):gsub("%-%-+", "-"):gsub(" +", " "))
end

---Whether this was said, where the page shows that block.
---@param block spec.block
---@param said string
function page.shows(block, said)
  if block.mark == "like" then return alike(block.text) == alike(said) end
  return block.text == said
end

local shell = {}
shell.__index = shell

---A shell, which remembers what was typed before, as that of a reader does.
---@param options { folder: string, env: table<string, string> }
function page.shell(options)
  local child = process.start { "bash", input = "pipe", errors = "output", folder = options.folder, env = options.env }
  child:write "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n"
  return setmetatable({ child = child }, shell)
end

---Types it. What it says, errors among the output; where something goes on behind it, more may come: see more().
---@param text string
---@param within? integer ms
---@return string said
function shell:type(text, within)
  self.said = ""
  self.child:write(("%s\nprintf '\\n%%s\\n' '%s'\n"):format(text, OVER))
  local is_over = clock.wait(function() return self:more():find("\n" .. OVER .. "\n", 1, true) end, within or 60000)
  self.said = self.said:gsub("\n" .. OVER .. "\n", "", 1)
  return is_over and self.said or error("does not end: " .. text .. "\n" .. self.said, 2)
end

---All that was said since the last type().
---@return string said
function shell:more()
  self.child:is_running()
  self.said = self.said .. self.child:take()
  return self.said
end

---Ends it, and what it left running.
function shell:close()
  self.child:close_input()
  self.child:wait()
  self.child:kill()
end

return page
