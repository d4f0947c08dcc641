-- tokens.lua - a C file as tokens: names, numbers, texts and signs, each with its place. Comments and directives are left
-- out, but for what a #define stands for. Brackets know each other.

local SIGNS = { -- the longest first
  "<<=", ">>=", "...",
  "->", "++", "--", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=",
}
local CLOSING = { ["("] = ")", ["["] = "]", ["{"] = "}" }

---@class spec.token
---@field kind "name"|"number"|"text"|"sign"
---@field text string
---@field from integer byte of the file
---@field to integer
---@field macro string? it is part of what this #define stands for
---@field pair integer? the other bracket

local tokens = {}

-- The end of a line that goes on behind each backslash.
local function line_end(text, at)
  local stop = text:find("\n", at, true) or #text + 1
  while text:sub(stop - 1, stop - 1) == "\\" do stop = text:find("\n", stop + 1, true) or #text + 1 end
  return stop
end

local function comment_end(text, at)
  if text:sub(at, at + 1) == "//" then return line_end(text, at) end
  if text:sub(at, at + 1) == "/*" then return select(2, text:find("*/", at + 2, true)) + 1 end
end

-- Where a "text" or a 'c' ends that begins here.
local function quoted_end(text, at)
  local quote = text:sub(at, at)
  local i = at + 1
  while text:sub(i, i) ~= quote do i = i + (text:sub(i, i) == "\\" and 2 or 1) end
  return i
end

local function number_end(text, at)
  local i = at
  while true do
    local is_sign = text:find("^[+-]", i) and text:find("^[eEpP]", i - 1) and not text:find("^0[xX]", at)
    if not is_sign and not text:find("^[%w_.]", i) then return i - 1 end
    i = i + 1
  end
end

local function sign_end(text, at)
  for _, sign in ipairs(SIGNS) do
    if text:sub(at, at + #sign - 1) == sign then return at + #sign - 1 end
  end
  return at
end

-- The kind of the token that begins here, and its end.
local function next_token(text, at)
  if text:find("^[%a_]", at) then return "name", select(2, text:find("^[%w_]+", at)) end
  if text:find("^%.?%d", at) then return "number", number_end(text, at) end
  if text:find("^[\"']", at) then return "text", quoted_end(text, at) end
  return "sign", sign_end(text, at)
end

local function match_brackets(list)
  local open = {}
  for i, token in ipairs(list) do
    if token.kind == "sign" and CLOSING[token.text] then
      open[#open + 1] = i
    elseif token.kind == "sign" and token.text:find "^[%)%]}]$" then
      local other = assert(table.remove(open), "a bracket too many")
      token.pair, list[other].pair = other, i
    end
  end
end

local Scan = {}
Scan.__index = Scan

-- Behind a directive, or behind the name of a #define and its parameters.
function Scan:directive(at)
  local name, behind = self.text:match("^#%s*define%s+([%a_][%w_]*)()", at)
  self.stop = line_end(self.text, at)
  if not name then return self.stop end
  self.macro = name
  return self.text:match("^%b()()", behind) or behind
end

function Scan:token(at)
  local kind, to = next_token(self.text, at)
  local list = self.macro and self.macros or self.code
  list[#list + 1] = { kind = kind, text = self.text:sub(at, to), from = at, to = to, macro = self.macro }
  return to + 1
end

---What #defines stand for comes last.
---@param text string
---@return spec.token[]
function tokens.of(text)
  local scan = setmetatable({ text = text, code = {}, macros = {}, stop = 0 }, Scan)
  local at = 1
  while at <= #text do
    if at >= scan.stop then scan.macro = nil end
    if text:find("^[%s\\]", at) then
      at = at + 1
    elseif text:find("^#", at) and not scan.macro then
      at = scan:directive(at)
    else
      at = comment_end(text, at) or scan:token(at)
    end
  end
  local list = scan.code
  for _, token in ipairs(scan.macros) do list[#list + 1] = token end
  match_brackets(list)
  return list
end

return tokens
