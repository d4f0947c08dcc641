--- effect: what a statement does to the world, as far as its words tell.
--
-- "read" is a promise: doing it twice does no harm, so the engine may repeat it when nobody knows
-- whether it was done. Whatever is not certain is "unknown" and never repeated. So a select that
-- calls a function which is not known to be harmless is no "read": it might charge a card.
-- The driver has the last word about which connection a statement needs; this is only the guess
-- that saves a way there.

local tokens = require "nebula.sql.tokens"

---@alias nebula.sql.Effect "read"|"unknown"|"write"|"transaction"

local function set(words)
  local result = {}
  for word in words:gmatch "%S+" do result[word] = true end
  return result
end

local reads = set "select values show explain table with"
local writes = set "insert update delete merge into"
local ends = set "begin start commit end rollback abort savepoint release"

-- A word before a parenthesis that calls nothing.
local calls_nothing = set [[
  all and any array as between bit by case cast char character collate cross cube decimal default
  distinct else except exists extract filter float from full group having ilike in inner intersect
  interval is join lateral left like limit materialized natural not numeric offset on only or outer
  over partition precision recursive returning right rollup row select sets similar some symmetric
  table tablesample then time timestamp timestamptz union using values varchar varying when where
  window with within]]

local harmless = set [[
  abs acos age array_agg array_append array_cat array_length array_ndims array_position array_prepend
  array_remove array_replace array_to_string array_upper array_lower ascii asin atan atan2 avg
  bit_and bit_or bit_length bool_and bool_or btrim cardinality cbrt ceil ceiling changes char_length
  chr clock_timestamp coalesce concat concat_ws corr cos count cume_dist current_database
  current_schema current_setting current_user date date_bin date_part date_trunc datetime decode
  degrees dense_rank div encode every exp extract first_value floor format format_type
  generate_series generate_subscripts glob greatest group_concat hex ifnull iif initcap inet instr
  isfinite json json_agg json_array json_array_elements json_array_elements_text json_array_length
  json_build_array json_build_object json_each json_each_text json_extract json_extract_path
  json_extract_path_text json_group_array json_group_object json_object json_object_agg
  json_object_keys json_patch json_quote json_remove json_set json_strip_nulls json_tree json_type
  json_typeof json_valid jsonb_agg jsonb_array_elements jsonb_array_elements_text
  jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text
  jsonb_extract_path jsonb_extract_path_text jsonb_object jsonb_object_agg jsonb_object_keys
  jsonb_path_exists jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_pretty
  jsonb_set jsonb_strip_nulls jsonb_to_recordset jsonb_typeof json_to_recordset julianday lag
  last_insert_rowid last_value lead least left length ln localtime localtimestamp log log10 log2
  lower lpad ltrim make_date make_interval make_time make_timestamp make_timestamptz max md5 min
  mod mode now nth_value ntile nullif num_nonnulls num_nulls octet_length overlay percent_rank
  percentile_cont percentile_disc pg_backend_pid pg_column_size pg_database_size pg_is_in_recovery
  pg_postmaster_start_time pg_relation_size pg_size_pretty pg_sleep pg_table_size
  pg_total_relation_size pg_typeof pi position pow power printf quote quote_ident quote_literal
  radians random randomblob rank regexp_match regexp_matches regexp_replace regexp_split_to_array
  regexp_split_to_table repeat replace reverse right round row_number row_to_json row_count rpad
  rtrim sign sin split_part sqlite_version sqrt starts_with statement_timestamp stddev stddev_pop
  stddev_samp strftime string_agg string_to_array strpos substr substring sum tan timeofday
  to_char to_date to_json to_jsonb to_number to_timestamp to_tsquery to_tsvector total
  total_changes transaction_timestamp translate trim trunc typeof unicode unistr unixepoch unnest
  upper uuid_generate_v4 gen_random_uuid var_pop var_samp variance version width_bucket zeroblob]]

-- Does a parenthesis behind `word` call what may change something? `before` is what stands before the word.
local function is_risky(word, kind, before)
  if kind ~= "word" and kind ~= "name" then return false end
  if before == "as" or before == "with" or before == "recursive" then return false end
  if kind == "name" or before == "." then return true end
  return not calls_nothing[word] and not harmless[word]
end

-- What the first word says, or the first two.
local function said_by_first(word, second)
  if ends[word] or word == "prepare" and second == "transaction" then return "transaction" end
  return reads[word] and "read" or "write"
end

-- What a later word says: a part of the statement writes, or locks rows.
local function is_writing(word, before)
  return writes[word] or word == "share" and (before == "for" or before == "key")
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
      first, effect = true, said_by_first(word, words[at + 1])
    elseif is_begin[at] and said_by_first(word, words[at + 1]) == "transaction" then
      effect = "transaction"
    elseif kinds[at] == "word" and effect ~= "transaction" and is_writing(word, words[at - 1]) then
      effect = "write"
    end
  end
  if is_script and effect == "read" then effect = "unknown" end
  return effect, is_script
end

return M
