--- copying: what a COPY says of itself: which way it goes, and in which format its lines are.
--
-- The server tells names of neither and csv not from text, so who is to write or read rows looks at the words.

local tokens = require "nebula.sql.tokens"

---@class nebula.sql.Copying
---@field direction "in"|"out" seen from the server
---@field format "text"|"csv"|"binary"
---@field query string|nil what a COPY reads, when that is no table
---@field differs string|nil an option with which lines do not look as rows are written and read

local ways = { from = "in", to = "out" }
local client = { stdin = true, stdout = true }
local differing = { delimiter = true, delimiters = true, null = true, header = true, quote = true, escape = true,
  default = true, encoding = true }

local function is_copy(sql, dialect)
  for kind, from, to in tokens.each(sql, dialect) do
    if kind ~= "space" and kind ~= "comment" then return kind == "word" and sql:sub(from, to):lower() == "copy" end
  end
  return false
end

-- Word by word, with how many parentheses are open around it. A name in quotes is no word, a text is one.
-- Beside them the query, if the second word is one.
local function words(sql, dialect)
  local depth, list, query_from, query = 0, {}, nil, nil
  for kind, from, to in tokens.each(sql, dialect) do
    local word = sql:sub(from, to)
    if word == "(" then
      depth = depth + 1
      if #list == 1 and depth == 1 then query_from = to + 1 end
    elseif word == ")" then
      depth = depth - 1
      if query_from and not query and depth == 0 then query = sql:sub(query_from, from - 1) end
    elseif kind == "word" or kind == "text" or kind == "name" then
      list[#list + 1] = { text = kind ~= "name" and word:lower():gsub("'", "") or "", depth = depth }
    end
  end
  return list, query
end

-- The place of the word that names the client, which stands outside of parentheses.
local function find_client(list)
  for at = 2, #list do
    local word, before = list[at], list[at - 1]
    if client[word.text] and word.depth == 0 and before.depth == 0 and ways[before.text] then return at end
  end
end

local M = {}

--- Pure; statement.lua keeps the answer.
---@param sql string
---@param dialect nebula.sql.Dialect
---@return nebula.sql.Copying? copying nil when it is no COPY from or to the client
function M.of(sql, dialect)
  if not is_copy(sql, dialect) then return nil end
  local list, query = words(sql, dialect)
  local at = find_client(list)
  if not at then return nil end
  local is_binary = list[2].text == "binary" -- as it was written long ago
  local it = { direction = ways[list[at - 1].text], query = query, format = is_binary and "binary" or "text" }
  for i = at + 1, #list do
    local word = list[i].text
    if word == "where" and list[i].depth == 0 then break end
    if list[i].depth <= 1 and (word == "csv" or word == "binary") then it.format = word end
    if list[i].depth <= 1 and differing[word] then it.differs = it.differs or word end
  end
  return it
end

return M
