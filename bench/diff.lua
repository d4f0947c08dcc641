-- diff.lua BASE_FOLDER [PREFIX] - this revision beside another one, built in BASE_FOLDER: who runs it is diff.sh.
--
-- The probes of both take turns, ROUNDS times: the other one, this one, and the other one again, every second time
-- backwards. Each run gives a ratio to its peer, so what changes between two runs cancels out. A row is the median of
-- this/other with its interval, beside that of other/other, which is the noise of this hour. It is worse when all of
-- its interval is below 1 and below all of the noise.

package.path = "./?.lua;" .. package.path

local clock = require "spec.support.clock"
local ending = require "spec.support.ending"
local probe = require "bench.probe"
local probes = require "bench.rows"
local report = require "bench.report"

local ROUNDS = 15
local LONG = 12000 -- ms of one run: for longer ones PREFIX has to be said

local base, prefix = (...), select(2, ...) or ""

local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

local function wanted_rows(one)
  local rows = {}
  for _, row in ipairs(one.rows) do
    if row.id:sub(1, #prefix) == prefix and not row.id:find "^noise" then rows[#rows + 1] = row end
  end
  return rows
end

local function compare(one, rows)
  local ratios, noise = {}, {}
  for _, row in ipairs(rows) do ratios[row.id], noise[row.id] = {}, {} end
  for round = 1, ROUNDS do
    local first = probe.run(one, base)
    local here = probe.run(one)
    local second = probe.run(one, base)
    if round % 2 == 0 then first, second = second, first end
    for _, row in ipairs(rows) do
      if first[row.id] and here[row.id] and second[row.id] then
        table.insert(ratios[row.id], report.ratio(row, here[row.id]) / report.ratio(row, first[row.id]))
        table.insert(noise[row.id], report.ratio(row, second[row.id]) / report.ratio(row, first[row.id]))
      end
    end
  end
  return ratios, noise
end

local lines, worse = { { "id", "this/other", "95 %", "other/other", "95 %", "" } }, {}

local function skip(rows, why)
  for _, row in ipairs(rows) do lines[#lines + 1] = { row.id, "", "", "", "", "not compared: " .. why } end
end

local function judge(row, ratios, noise)
  if #ratios < ROUNDS then return skip({ row }, "not measured on both sides") end
  local ratio, low, high = report.interval(ratios)
  local aa, aa_low, aa_high = report.interval(noise)
  local is_worse = high < math.min(1, aa_low)
  if is_worse then worse[#worse + 1] = row.id end
  local verdict = is_worse and "WORSE" or low > math.max(1, aa_high) and "better" or ""
  lines[#lines + 1] = { row.id, ("%.3f"):format(ratio), ("%.3f..%.3f"):format(low, high), ("%.3f"):format(aa),
    ("%.3f..%.3f"):format(aa_low, aa_high), verdict }
end

local function measure(one, rows)
  local source = one.name:find "%.lua$" and one.name or one.name .. ".c"
  if not exists(base .. "/bench/" .. source) then return skip(rows, "the other one has no such probe") end
  io.stderr:write("bench-diff: ", one.name, "\n")
  local begun = clock.now()
  probe.run(one)
  local took = clock.now() - begun
  if took > LONG and prefix == "" then
    return skip(rows, ("%d runs of %d s: ask by ONLY=%s"):format(3 * ROUNDS, took / 1000, rows[1].id))
  end
  local ratios, noise = compare(one, rows)
  for _, row in ipairs(rows) do judge(row, ratios[row.id], noise[row.id]) end
end

local ok, why = pcall(function()
  for _, one in ipairs(probes) do
    local rows = wanted_rows(one)
    if #rows > 0 then measure(one, rows) end
  end
end)
ending.run()
if not ok then
  io.stderr:write(tostring(why), "\n")
  os.exit(2)
end
report.print(lines)
print(#worse == 0 and "\nnothing is worse" or "\nworse beyond the noise: " .. table.concat(worse, ", "))
os.exit(#worse == 0 and 0 or 1)
