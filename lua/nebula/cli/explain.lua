local engines = require "nebula.cli.engines"
local operate = require "nebula.cli.operate"
local show = require "nebula.cli.show"
local tale = require "nebula.cli.tale"

local MOST = 256 -- as many records an engine keeps of a resource in each worker

-- --- for people -----------------------------------------------------------------------------------

local function ago(now, at)
  return ("%.1fs ago"):format(math.max(now - at, 0))
end

local function of_worker(one)
  return one.worker and (", worker %d"):format(one.worker) or ""
end

-- The lines of a file are those of its generation.
local function of_generation(record)
  return (", generation %d"):format(record.generation)
end

local function call_line(one)
  local trace = one.trace and ", trace " .. one.trace or ""
  return ("call %d%s%s%s: %s"):format(one.call, of_generation(one.records[1]), of_worker(one), trace,
    tale.sentence(one.records))
end

local function event_line(one)
  return ("%s%s%s."):format(tale.words(one), of_generation(one), of_worker(one))
end

-- The calls, and between them what the resource did itself, each with its line.
local function in_order(calls, events)
  local all = {}
  for _, one in ipairs(events) do
    all[#all + 1] = { at = one.at, text = event_line(one), place = #all }
  end
  for _, one in ipairs(calls) do
    all[#all + 1] = { at = one.at, text = call_line(one), place = #all }
  end
  table.sort(all, function(a, b)
    if a.at ~= b.at then return a.at < b.at end
    return a.place < b.place
  end)
  return all
end

local function show_answer(answer, is_traced)
  local workers = answer.workers and (", %d workers"):format(answer.workers) or ""
  print(("%s  (pid %d%s)"):format(show.paint("bold", answer.name), answer.pid, workers))
  local lines = in_order(answer.calls, is_traced and {} or answer.events)
  if #lines == 0 then
    print(is_traced and "  nothing is known of calls of this trace" or "  nothing was decided about its calls yet")
  end
  for _, one in ipairs(lines) do
    print(("  %-11s %s"):format(ago(answer.now, one.at), one.text))
  end
end

-- --- what is asked --------------------------------------------------------------------------------

-- The digits of a trace, or of the one that a traceparent is in.
local function trace_of(text)
  local digits = text:match "^%x%x%-(%x+)%-%x+%-%x%x$" or text
  return #digits == 32 and digits:find "^%x+$" and digits:find "[^0]" and digits:lower() or nil
end

local function request_of(given, name)
  local last, complaint = operate.count(given, "last", { min = 1, max = MOST })
  if complaint then return nil, complaint end
  local request = { verb = "explain", name = name, last = last }
  if given.trace then
    request.trace = trace_of(given.trace)
    complaint = given.last and "--last and --trace: one of the two"
      or not request.trace and "--trace: expected the 32 hex digits of a trace, or a traceparent" or nil
  end
  return not complaint and request or nil, complaint
end

return {
  name = "explain",
  arguments = "NAME",
  least = 1,
  most = 1,
  text = "tell what was decided about the last calls of a resource, and why",
  manual = [[
Asks every engine of yours that runs. Each call of which there is something to tell is one sentence, the last one at the
end: how long it waited and for one of how many, how its attempts ended, when and why it was tried again or not, what
refused it, what a cache or a fallback gave instead, what was done to it by chaos, and how it ended; with the file and
line of the setting that decided, and the generation of the declarations. Between the calls stands what the
resource did itself: its circuit opened, or closed; chaos began. A call that was served at once and went well leaves
nothing.
An engine keeps the last 256 decisions of each resource, in each of its workers, and the last 64 of a cache that
answered, did not, or had several ask once; of a call whose first ones are gone the rest is told. A lease that was
waited for is told as a call.
An engine that does not answer within 2 s, and a worker that does not within one, is named on stderr, and in `silent`
of the JSON.

Exit codes: 0 ok, 1 an engine did not answer, 2 usage, or no engine that runs has the resource.]],
  options = {
    { name = "last", value = "N", text = "so many calls, 1 to 256 (default 10)" },
    { name = "trace", value = "ID", text = "all calls of this trace: its 32 hex digits, or a traceparent" },
    { name = "json", text = "one JSON object: engines, each with pid, calls and events, and silent; or error" },
  },
  run = function(given, arguments)
    local request, complaint = request_of(given, arguments[1])
    if not request then
      show.complain("%s", complaint)
      return 2
    end
    local answers, silent, why = engines.ask(request)
    if why then
      show.complain("%s", why)
    end
    local absent = #answers + #silent == 0 and engines.nobody_has(arguments[1]) or nil
    if given.json then
      show.json { engines = answers, silent = silent, error = absent }
    end
    for _, answer in ipairs(given.json and {} or answers) do
      show_answer(answer, given.trace ~= nil)
    end
    if absent and not given.json then
      show.complain("%s", absent)
    end
    engines.complain(silent)
    return absent and 2 or #silent == 0 and 0 or 1
  end,
}
