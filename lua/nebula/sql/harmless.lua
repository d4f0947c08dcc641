--- harmless: words that may stand before a parenthesis in a statement which changes nothing. Loaded with the first
--- parenthesis behind a word.

local harmless = {}

local function set(words)
  local result = {}
  for word in words:gmatch "%S+" do result[word] = true end
  return result
end

--- Before a parenthesis they call nothing.
harmless.calls_nothing = set [[
  all and any array as between bit by case cast char character collate cross cube decimal default
  distinct else except exists extract filter float from full group having ilike in inner intersect
  interval is join lateral left like limit materialized natural not numeric offset on only or outer
  over partition precision recursive returning right rollup row select sets similar some symmetric
  table tablesample then time timestamp timestamptz union using values varchar varying when where
  window with within]]

--- Functions that change nothing.
harmless.is_harmless = set [[
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

return harmless
