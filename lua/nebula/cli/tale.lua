--- tale: what an engine tells of a decision, in words.

local plain = require "nebula.plain"

local tale = {}

--- A time that was measured.
---@param us integer
---@return string # such as "12.3ms"
function tale.span(us)
  local number, unit = us, "us"
  if us >= 1e6 then
    number, unit = ("%.2f"):format(us / 1e6), "s"
  elseif us >= 1e3 then
    number, unit = ("%.1f"):format(us / 1e3), "ms"
  end
  return (tostring(number):gsub("(%.%d-)0+$", "%1"):gsub("%.$", "")) .. unit
end

local span = tale.span

local function because(one)
  return one.file and (" because %s:%d"):format(plain(one.file, true), one.line) or ""
end

-- Whose circuit it is, where each endpoint has one.
local function of(one)
  return one.endpoint and " of " .. plain(one.endpoint) or ""
end

local function after(us)
  return us > 0 and "after " .. span(us) or "at once"
end

local REASONS = {
  in_doubt = "it may have been done, and is not idempotent",
  hopeless = "it would end the same way",
  tries = "no tries are left",
  deadline = "the deadline comes before the end of the pause",
  budget = "the budget for retries is spent",
  server = "the server asked for no other",
  stopping = "the engine is shutting down",
  memory = "there is no memory for it",
}

local OPENED = {
  failures = "%d of %d calls failed", slow = "%d of %d calls were slow", consecutive = "%d of %d calls failed in a row",
  probe = "a probe was bad", order = "it was ordered", none = "nobody knows why",
}

local WAYS = {
  last = "the last good answer", resource = "another resource", value = "a value", call = "a function",
}

local FAULTS = {
  fail = "made it fail (%s)", cut_there = "cut it off on its way (%s)", cut_back = "cut off its answer (%s)",
  behind = "held back what is before it",
}

local function how_failed(one)
  return one.code == "lost" and "lost" or ("failed (%s)"):format(one.code)
end

--- By what an engine calls it: the words of a record.
---@type table<string, fun(one: table): string>
local words = {
  served = function(one)
    return ("waited %s for one of %d"):format(span(one.waited_us), one.max)
  end,
  refused = function(one)
    return ("got none of %d (%s) %s%s"):format(one.max, one.code, after(one.waited_us), because(one))
  end,
  refused_by_chaos = function(one)
    return ("got none of %d (%s, by chaos) %s%s"):format(one.max, one.code, after(one.waited_us), because(one))
  end,
  failed = function(one)
    return ("attempt %d %s after %s%s"):format(one.attempt, how_failed(one), span(one.after_us), because(one))
  end,
  failed_by_chaos = function(one)
    return ("attempt %d %s by chaos after %s%s"):format(one.attempt, how_failed(one), span(one.after_us), because(one))
  end,
  counted = function(one)
    return ("circuit%s %s at %d of %d"):format(of(one), one.state, one.bad, one.of)
  end,
  again = function(one)
    return ("tried again %s%s"):format(after(one.pause_us), because(one))
  end,
  not_again = function(one)
    return ("not tried again, for %s%s"):format(REASONS[one.reason] or one.reason, because(one))
  end,
  circuit = function(one)
    local whose = one.endpoint and "circuits of all endpoints, next is " .. plain(one.endpoint) or "circuit"
    return ("refused by the %s, %s at %d of %d%s"):format(whose, one.state, one.bad, one.of, because(one))
  end,
  rate_served = function(one)
    return ("waited %s for its turn by the rate%s"):format(span(one.waited_us), because(one))
  end,
  rate_refused = function(one)
    return ("refused by the rate, which lets one go %s%s"):format(after(one.retry_after_us), because(one))
  end,
  limit_served = function(one)
    return ("waited %s for one of %d calls to end%s"):format(span(one.waited_us), one.concurrent, because(one))
  end,
  limit_refused = function(one)
    return ("refused by the limit (%s) %s, with a queue of %d%s"):format(one.code, after(one.waited_us), one.queue,
      because(one))
  end,
  shed = function(one)
    return ("shed %s, where %s is the target%s"):format(after(one.waited_us), span(one.target_us), because(one))
  end,
  early = function(one)
    return ("refused early with %s left, for half of such calls take %s%s"):format(span(one.left_us),
      span(one.median_us), because(one))
  end,
  hedged = function(one)
    return ("a copy was sent %s%s"):format(after(one.after_us), because(one))
  end,
  hedge_won = function(one)
    return ("copy %d was the first to answer, %s"):format(one.copy, after(one.after_us))
  end,
  hedge_denied = function(one)
    return ("no copy was sent %s, for there were too many%s"):format(after(one.after_us), because(one))
  end,
  cached = function(one)
    return ("answered from the cache, %s old%s"):format(span(one.age_us), because(one))
  end,
  stale = function(one)
    return ("answered from the cache, %s old, as a newer answer is asked for%s"):format(span(one.age_us), because(one))
  end,
  missed = function(one)
    if one.age_us < 0 then return "nothing in the cache" .. because(one) end
    return ("too old in the cache, with %s%s"):format(span(one.age_us), because(one))
  end,
  joined = function(one)
    if one.code == "ok" then
      return ("had the answer of another task that asked the same, after %s"):format(span(one.waited_us))
    end
    return ("no answer (%s) from another task that asked the same, after %s"):format(one.code, span(one.waited_us))
  end,
  stale_if_error = function(one)
    return ("answered from the cache, %s old, for it failed (%s)%s"):format(span(one.age_us), one.code, because(one))
  end,
  fallback = function(one)
    return ("answered by fallback %d, %s, for it failed (%s)%s"):format(one.step, WAYS[one.way] or one.way, one.code,
      because(one))
  end,
  fallback_last = function(one)
    return ("answered by fallback %d, the last good answer, %s old, for it failed (%s)%s"):format(one.step,
      span(one.age_us), one.code, because(one))
  end,
  fallback_none = function(one)
    local why = one.code ~= "ok" and (" (%s)"):format(one.code) or ""
    return ("nothing from fallback %d, %s%s%s"):format(one.step, WAYS[one.way] or one.way, why, because(one))
  end,
  chaos = function(one)
    local parts = {}
    if one.delay_us > 0 then parts[1] = ("held it back for %s"):format(span(one.delay_us)) end
    if one.fault ~= "held" then parts[#parts + 1] = (FAULTS[one.fault] or one.fault):format(one.code) end
    return ("chaos %s%s"):format(table.concat(parts, " and "), because(one))
  end,
  ended = function(one)
    local how = one.outcome == "ok" and "ended ok" or ("%s (%s)"):format(
      one.outcome == "in_doubt" and "ended in doubt" or "failed", one.code)
    local by = (one.attempt or 1) > 1 and (" on attempt %d"):format(one.attempt) or ""
    return ("%s %s%s"):format(how, after(one.after_us), by)
  end,
  circuit_opened = function(one)
    local why = (OPENED[one.why] or one.why):format(one.bad, one.of)
    return ("circuit%s opened, for %s%s"):format(of(one), why, because(one))
  end,
  circuit_half = function(one)
    return ("circuit%s half open, and probes go%s"):format(of(one), because(one))
  end,
  circuit_closed = function(one)
    return ("circuit%s closed%s"):format(of(one), because(one))
  end,
  chaos_began = function(one)
    return ("chaos began, for %s%s"):format(span(one.during_us), because(one))
  end,
  chaos_over = function(one)
    return ("chaos over, with %d faults%s"):format(one.faults, because(one))
  end,
  sized = function(one)
    return ("pool %d may have %d connections, and had %d%s"):format(one.pool, one.to, one.from, because(one))
  end,
}

--- A record in words; of a sort that this program does not know, its name.
---@param one table
---@return string
function tale.words(one)
  return words[one.what] and words[one.what](one) or one.what
end

--- All of a call as one sentence. The declarations that it began with are said beside it, and here others that came
--- while it was under way.
---@param records table[]
---@return string
function tale.sentence(records)
  local parts, generation = {}, records[1] and records[1].generation
  for i, one in ipairs(records) do
    local is_later = one.generation ~= generation
    parts[i] = (is_later and ("by generation %d "):format(one.generation) or "") .. tale.words(one)
    generation = one.generation
  end
  return table.concat(parts, ", ") .. "."
end

return tale
