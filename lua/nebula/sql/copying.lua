--- copying: what a COPY says of itself: which way it goes, and in which format its lines are.
--
-- The server tells names of neither and csv not from text, so who is to write or read rows looks at the words.

local tokens = require "nebula.sql.tokens"

---@class nebula.sql.Copying
---@field direction "in"|"out" seen from the server
---@field format "text"|"csv"|"binary"
---@field query string|nil what a COPY reads, when that is no table
---@field table { name: string, columns: string[]|nil }|nil in binary: what it is about, when that is no query
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

-- As the database has it, of a word or of a name in quotes.
local function plain_name(kind, text)
  return kind == "name" and text:sub(2, -2):gsub('""', '"') or text:lower()
end

-- What stands between COPY and the way it goes: a table, and perhaps columns of it.
local function find_table(sql, dialect, is_old)
  local words_left, piece, columns, depth = is_old and 2 or 1, {}, nil, 0
  for kind, from, to in tokens.each(sql, dialect) do
    local text, is_said = sql:sub(from, to), kind ~= "space" and kind ~= "comment"
    if words_left > 0 then
      words_left = words_left - (is_said and 1 or 0)
    elseif text == "(" then
      columns, depth = {}, depth + 1
    elseif text == ")" or depth == 0 and kind == "word" and ways[text:lower()] then
      break
    elseif depth == 0 and is_said then
      piece[#piece + 1] = text
    elseif kind == "word" or kind == "name" then
      columns[#columns + 1] = plain_name(kind, text)
    end
  end
  return { name = table.concat(piece), columns = columns }
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
  if it.format == "binary" and not query then it.table = find_table(sql, dialect, is_binary) end
  return it
end

return M
