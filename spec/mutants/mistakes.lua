-- mistakes.lua - the small mistakes that are planted: each is one change at one place of a C file.
--
--   comparisons   one of its neighbours instead
--   arithmetic    the other sign; ++ for --; no minus
--   numbers       one more, one less, none; true for false
--   conditions    the contrary of what if, while, for, ?:, && and || ask, of all or of a part; && for ||; a part that never decides
--   statements    left out: assignments, calls, and jumps that bring nothing back
--
-- Declarations stay, and so do the words of a message. A changed text has its lines where they were.

local places = require "spec.mutants.places"

local COMPARED = {
  ["<"] = { "<=", ">" }, ["<="] = { "<", ">=" }, [">"] = { ">=", "<" }, [">="] = { ">", "<=" },
  ["=="] = { "!=", "<=", ">=" }, ["!="] = { "==", "<", ">" },
}
local BINARY = {
  ["+"] = "-", ["-"] = "+", ["*"] = "/", ["/"] = "*", ["%"] = "/", ["<<"] = ">>", [">>"] = "<<",
  ["&"] = "|", ["|"] = "&", ["^"] = "&", ["&&"] = "||", ["||"] = "&&",
}
local EITHER_WAY = {
  ["++"] = "--", ["--"] = "++", ["+="] = "-=", ["-="] = "+=", ["*="] = "/=", ["/="] = "*=", ["%="] = "/=",
  ["<<="] = ">>=", [">>="] = "<<=", ["&="] = "|=", ["|="] = "&=", ["^="] = "&=",
}
local UNARY = { ["-"] = "", ["!"] = "" }
local WORDS = { ["true"] = "false", ["false"] = "true" }
local NEUTRAL = { ["&&"] = "1", ["||"] = "0" }

local function set(words, more)
  local signs = {}
  for sign in words:gmatch "%S+" do signs[sign] = true end
  for sign in pairs(more or {}) do signs[sign] = true end
  return signs
end

-- What is next to an operand of && and of ||, or to what ?: asks; brackets are ends of themselves.
local OUTER = set("? : , ; return", places.ASSIGNING)
local ENDS = { ["&&"] = set("&& ||", OUTER), ["||"] = set("||", OUTER), ["?"] = OUTER }
local LOWER_THAN_NOT = set("&& || ? == != < <= > >= + - * / % << >> & | ^")

---@class spec.mistake
---@field from integer byte of the file
---@field to integer
---@field with string
---@field scope string the function, the table or the #define

local Planting = {}
Planting.__index = Planting

function Planting:add(from, to, with, scope)
  local first, last = self.tokens[from].from, self.tokens[to].to
  local _, lines = self.text:sub(first, last):gsub("\n", "")
  with = with .. ("\n"):rep(lines - select(2, with:gsub("\n", "")))
  local key = first .. " " .. last .. " " .. with
  if self.known[key] or not scope then return end
  self.known[key] = true
  table.insert(self.mistakes, { from = first, to = last, with = with, scope = scope })
end

function Planting:source(from, to)
  return self.text:sub(self.tokens[from].from, self.tokens[to].to)
end

-- How far an operand goes on from i, `step` at a time.
function Planting:operand_end(i, step, ends)
  while true do
    local token = self.tokens[i + step]
    if not token or not token.scope and not token.pair or ends[token.text] then return i end
    if token.pair and (token.pair - i) * step < 0 then return i end -- a bracket around it
    i = token.pair or i + step
  end
end

-- Whether all that stands there is behind one !, which is a place of its own.
function Planting:is_not(from, to)
  if self.tokens[from].text ~= "!" then return false end
  local i = from + 1
  while i <= to do
    if LOWER_THAN_NOT[self.tokens[i].text] and self.places:is_operand_end(i - 1) then return false end
    i = (self.tokens[i].pair or i) + 1
  end
  return true
end

function Planting:contrary(from, to)
  if self:is_not(from, to) then return end
  self:add(from, to, "!(" .. self:source(from, to) .. ")", self.tokens[from].scope)
end

function Planting:operand(from, to, sign)
  self:contrary(from, to)
  if NEUTRAL[sign] then self:add(from, to, NEUTRAL[sign], self.tokens[from].scope) end
end

function Planting:condition(i)
  local sign = self.tokens[i].text
  if not ENDS[sign] then return end
  self:operand(self:operand_end(i, -1, ENDS[sign]), i - 1, sign)
  if sign ~= "?" then self:operand(i + 1, self:operand_end(i, 1, ENDS[sign]), sign) end
end

function Planting:sign(i)
  local token = self.tokens[i]
  for _, other in ipairs(COMPARED[token.text] or {}) do self:add(i, i, other, token.scope) end
  if EITHER_WAY[token.text] then self:add(i, i, EITHER_WAY[token.text], token.scope) end
  local kind = i > 1 and self.places:is_operand_end(i - 1) and BINARY or UNARY
  if kind[token.text] then self:add(i, i, kind[token.text], token.scope) end
end

function Planting:number(i)
  local token = self.tokens[i]
  local plain = (token.text == "0" or token.text:find "^[1-9]%d?%d?%d?%d?%d?$") and tonumber(token.text)
  for _, step in ipairs { 1, -1 } do
    self:add(i, i, plain and tostring(plain + step) or ("(%s %s 1)"):format(token.text, step > 0 and "+" or "-"), token.scope)
  end
  if token.text ~= "0" then self:add(i, i, "0", token.scope) end
end

function Planting:token(i)
  local token = self.tokens[i]
  if token.kind == "sign" then
    self:sign(i)
    self:condition(i)
  elseif token.kind == "number" then
    self:number(i)
  elseif WORDS[token.text] then
    self:add(i, i, WORDS[token.text], token.scope)
  end
end

local mistakes = {}

---All mistakes that can be planted into this text, in the order of their places.
---@param text string of a C file
---@param is_header boolean?
---@return spec.mistake[]
function mistakes.of(text, is_header)
  local found = places.of(text, is_header)
  local self = setmetatable({ text = text, places = found, tokens = found.tokens, known = {}, mistakes = {} }, Planting)
  for i, token in ipairs(found.tokens) do
    if token.scope then self:token(i) end
  end
  for _, at in ipairs(found.conditions) do self:contrary(at[1], at[2]) end
  for _, at in ipairs(found.statements) do self:add(at[1], at[2], "{}", at.scope) end
  table.sort(self.mistakes, function(a, b)
    if a.from ~= b.from then return a.from < b.from end
    if a.to ~= b.to then return a.to < b.to end
    return a.with < b.with
  end)
  return self.mistakes
end

---@return string text with this mistake
function mistakes.plant(text, mistake)
  return text:sub(1, mistake.from - 1) .. mistake.with .. text:sub(mistake.to + 1)
end

return mistakes
