-- places.lua - where in a C file a mistake may be planted: so much of C's grammar as tells an expression from a declaration.
--
-- Expressions are those of statements, of initialisers and of what a #define stands for. Left alone are types, the sizes of
-- arrays, enums and labels.

local tokens = require "spec.mutants.tokens"

local TYPES = {}
for name in ([[const static extern inline struct union enum unsigned signed int long short char double float void bool
  size_t ssize_t volatile register _Bool _Noreturn _Thread_local __extension__]]):gmatch "%S+" do
  TYPES[name] = true
end
local ASSIGNING = {}
for sign in ("= += -= *= /= %= &= |= ^= <<= >>="):gmatch "%S+" do ASSIGNING[sign] = true end

---@class spec.places
---@field tokens spec.token[] with `scope`, the function or the table around it, where it is of an expression
---@field conditions { [1]: integer, [2]: integer }[] what if, while and for ask: first and last token
---@field statements { [1]: integer, [2]: integer, scope: string }[] what could be left out
local Places = {}
Places.__index = Places

function Places:text(i)
  return self.tokens[i] and self.tokens[i].text
end

-- The first of these signs from i on that is in no bracket.
function Places:find(i, signs)
  while not signs[self:text(i)] do
    local pair = self.tokens[i].pair
    i = (pair and pair > i and pair or i) + 1
    if not self.tokens[i] then return i end
  end
  return i
end

function Places:is_type_name(i)
  local token = self.tokens[i]
  return token ~= nil and token.kind == "name" and
    (TYPES[token.text] or self.typedefs[token.text] or token.text:find "_t$" ~= nil) or false
end

-- Whether these are a type and nothing else, as in a cast.
function Places:is_type(from, to)
  if not self:is_type_name(from) then return false end
  for i = from, to do
    if self.tokens[i].kind ~= "name" and self:text(i) ~= "*" then return false end
  end
  return true
end

-- Whether something ends here of which a binary operator may go on.
function Places:is_operand_end(i)
  local token = self.tokens[i]
  if token.kind == "name" then return token.text ~= "return" and token.text ~= "sizeof" end
  return token.kind ~= "sign" or (token.text == ")" and not token.is_cast) or token.text == "]"
end

function Places:expression(from, to)
  for i = from, to do self.tokens[i].scope = self.scope end
  for i = from, to do
    local close = self:text(i) == "(" and self.tokens[i].pair
    if close and self:is_type(i + 1, close - 1) then
      for inner = i, close do self.tokens[inner].scope = nil end
      self.tokens[close].is_cast = self:text(i - 1) ~= "sizeof"
    end
  end
end

-- A statement that could be left out.
function Places:could_go(from, to)
  table.insert(self.statements, { from, to, scope = self.scope })
end

function Places:condition(from, to)
  self:expression(from, to)
  if from <= to then table.insert(self.conditions, { from, to }) end
end

-- What the declared ones begin with is an expression.
function Places:declaration(from, to)
  local i = from
  while i < to do
    local equals = self:find(i, { ["="] = true, [";"] = true })
    if equals >= to then return end
    i = self:find(equals, { [","] = true, [";"] = true })
    self:expression(equals + 1, i - 1)
  end
end

function Places:is_declaration(i)
  if self:is_type_name(i) then return true end
  if self.tokens[i].kind ~= "name" then return false end
  local behind = i + 1
  while self:text(behind) == "*" do behind = behind + 1 end
  return self.tokens[behind].kind == "name"
end

-- Of the three parts of a for; `close` is the bracket behind them.
function Places:loop_head(open, close)
  local first = self:find(open + 1, { [";"] = true })
  local second = self:find(first + 1, { [";"] = true })
  if self:is_declaration(open + 1) then
    self:declaration(open + 1, first)
  else
    self:expression(open + 1, first - 1)
  end
  self:condition(first + 1, second - 1)
  self:expression(second + 1, close - 1)
end

-- The statements that begin with a word of C. Each gives back what stands behind it.

function Places:block(i)
  local close = self.tokens[i].pair
  i = i + 1
  while i < close do i = self:statement(i) end
  return close + 1
end

function Places:branch(i)
  local close = self.tokens[i + 1].pair
  self:condition(i + 2, close - 1)
  local behind = self:statement(close + 1)
  return self:text(behind) == "else" and self:statement(behind + 1) or behind
end

function Places:switch(i)
  local close = self.tokens[i + 1].pair
  self:expression(i + 2, close - 1)
  return self:statement(close + 1)
end

function Places:for_loop(i)
  local close = self.tokens[i + 1].pair
  self:loop_head(i + 1, close)
  return self:statement(close + 1)
end

function Places:do_loop(i)
  local behind = self:statement(i + 1)
  local close = self.tokens[behind + 1].pair
  self:condition(behind + 2, close - 1)
  return close + 2
end

function Places:case(i)
  return self:find(i, { [":"] = true }) + 1
end

function Places:jump(i)
  local stop = self:find(i, { [";"] = true })
  if stop == i + 1 then self:could_go(i, stop) end
  self:expression(i + 1, stop - 1)
  return stop + 1
end

function Places:passed_over(i)
  return self:find(i, { [";"] = true }) + 1
end

local BEGINS = {
  ["{"] = Places.block, ["if"] = Places.branch, ["while"] = Places.branch, ["switch"] = Places.switch,
  ["for"] = Places.for_loop, ["do"] = Places.do_loop, ["case"] = Places.case, ["default"] = Places.case,
  ["return"] = Places.jump, ["break"] = Places.jump, ["continue"] = Places.jump, ["goto"] = Places.passed_over,
  ["_Static_assert"] = Places.passed_over,
}

-- A macro that is a loop: name(...) and what is done each time.
function Places:is_loop_macro(i)
  local close = self:text(i + 1) == "(" and self.tokens[i + 1].pair
  return close and (self:text(close + 1) == "{" or self.tokens[close + 1].kind == "name")
end

function Places:statement(i)
  local name = self:text(i)
  if BEGINS[name] then return BEGINS[name](self, i) end
  if self:text(i + 1) == ":" then return i + 2 end
  if self:is_loop_macro(i) then return self:switch(i) end
  local stop = self:find(i, { [";"] = true })
  if self:is_declaration(i) then
    self:declaration(i, stop)
  else
    if stop > i then self:could_go(i, stop) end
    self:expression(i, stop - 1)
  end
  return stop + 1
end

-- The name that is declared from here on, `to` behind it: the last one before a value, a size or parameters.
function Places:declared_name(from, to)
  for i = to - 1, from, -1 do
    local text = self:text(i)
    if self.tokens[i].kind == "name" and (i + 1 == to or self:text(i + 1):find "^[%(%[]$") and text ~= "__attribute__" then
      return text
    end
  end
end

-- One declaration or function; gives back what stands behind it.
function Places:top(i)
  local from = i
  local stop = self:find(i, { [";"] = true, ["{"] = true, ["="] = true })
  while self:text(stop) == "{" and self:text(stop - 1) ~= ")" do -- of a struct or an enum
    stop = self:find(self.tokens[stop].pair + 1, { [";"] = true, ["{"] = true, ["="] = true })
  end
  if self:text(stop) == "{" then
    self.scope = self:text(self.tokens[stop - 1].pair - 1)
    return self:block(stop)
  end
  if self:text(from) == "typedef" or self:text(from + 1) == "typedef" then self.typedefs[self:text(stop - 1)] = true end
  if self:text(stop) ~= "=" then return stop + 1 end
  local last = self:find(stop, { [";"] = true })
  self.scope = not self.only_functions and self:declared_name(from, stop) or nil
  self:expression(stop + 1, last - 1)
  return last + 1
end

function Places:macro(i)
  local name, from = self.tokens[i].macro, i
  while self.tokens[i] and self.tokens[i].macro == name do i = i + 1 end
  self.scope = not self.only_functions and name or nil
  self:expression(from, i - 1)
  return i
end

local places = { ASSIGNING = ASSIGNING }

---@param text string of a C file; of a header, functions alone: what its names stand for is known to the specs as well
---@param is_header boolean?
---@return spec.places
function places.of(text, is_header)
  local self = setmetatable({
    tokens = tokens.of(text), typedefs = {}, conditions = {}, statements = {}, only_functions = is_header,
  }, Places)
  local i = 1
  while self.tokens[i] do
    i = self.tokens[i].macro and self:macro(i) or self:top(i)
  end
  return self
end

return places
