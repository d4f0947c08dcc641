--- effect: what a statement does to the world, as far as its words tell.
--
-- "read" is a promise: doing it twice does no harm, so the engine may repeat it when nobody knows
-- whether it was done. Whatever is not certain is "unknown" and never repeated. So a select that
-- calls a function which is not known to be harmless is no "read": it might charge a card.
-- The driver has the last word about which connection a statement needs; this is only the guess
-- that saves a way there.

local lazy = require "nebula.lazy"
local tokens = require "nebula.sql.tokens"

local known = lazy "nebula.sql.harmless"

---@alias nebula.sql.Effect "read"|"unknown"|"write"|"transaction"

local function set(words)
  local result = {}
  for word in words:gmatch "%S+" do result[word] = true end
  return result
end

local reads = set "select values show explain table with"
local writes = set "insert update delete merge into"
local does = set "create execute refresh declare"
local ends = set "begin start commit end rollback abort savepoint release"

-- Does a parenthesis behind `word` call what may change something? `before` is what stands before the word.
local function is_risky(word, kind, before)
  if kind ~= "word" and kind ~= "name" then return false end
  if before == "as" or before == "with" or before == "recursive" then return false end
  if kind == "name" or before == "." then return true end
  return not known.calls_nothing[word] and not known.is_harmless[word]
end

-- What the first word says, or the first two.
local function said_by_first(word, second)
  if ends[word] or word == "prepare" and second == "transaction" then return "transaction" end
  return reads[word] and "read" or "write"
end

-- What a later word says: a part of the statement writes, or locks rows; or it is explained by being done.
local function is_writing(word, before, first)
  return writes[word] or first == "explain" and does[word] or word == "share" and (before == "for" or before == "key")
end

-- The tokens that mean something, in lower case.
local function meant(sql, dialect)
  local words, kinds = {}, {}
  for kind, from, to in tokens.each(sql, dialect) do
    if kind ~= "space" and kind ~= "comment" then
      words[#words + 1] = kind == "word" and sql:sub(from, to):lower() or sql:sub(from, to)
      kinds[#kinds + 1] = kind
    end
  end
  while words[#words] == ";" do words[#words] = nil end
  return words, kinds
end

local bodies = set "trigger function procedure"

-- Where statements begin, and whether there may be several. A `;` inside the body of a trigger or a function
-- separates nothing.
local function begins(words, kinds)
  local is_begin, is_script = {}, false
  local is_new, creates, may_have_body, is_in_body = true, false, false, false
  for at, word in ipairs(words) do
    if word == ";" and not is_in_body then
      is_new, is_script, may_have_body = true, true, false
    elseif kinds[at] == "word" and is_new then
      is_begin[at], is_new, creates = true, false, word == "create"
    elseif kinds[at] == "word" and is_in_body then
      is_in_body = not (word == "end" and (words[at - 1] == ";" or words[at - 1] == "atomic"))
    elseif kinds[at] == "word" then
      is_in_body = may_have_body and word == "begin"
      may_have_body = may_have_body or creates and bodies[word]
    end
  end
  return is_begin, is_script
end

local M = {}

--- Guesses the effect of a statement, or of several: "transaction" when one of them begins or ends one.
---@param sql string
---@param dialect nebula.sql.Dialect
---@return nebula.sql.Effect
---@return boolean is_script there is more than one statement
function M.of(sql, dialect)
  local words, kinds = meant(sql, dialect)
  local is_begin, is_script = begins(words, kinds)
  local first, effect = false, "unknown"
  for at, word in ipairs(words) do
    if word == "(" and first and is_risky(words[at - 1], kinds[at - 1], words[at - 2]) then
      if effect == "read" then effect = "unknown" end
    elseif kinds[at] == "word" and not first then
      first, effect = word, said_by_first(word, words[at + 1])
    elseif is_begin[at] and said_by_first(word, words[at + 1]) == "transaction" then
      effect = "transaction"
    elseif kinds[at] == "word" and effect ~= "transaction" and is_writing(word, words[at - 1], first) then
      effect = "write"
    end
  end
  if is_script and effect == "read" then effect = "unknown" end
  return effect, is_script
end

return M
