-- report.lua - from pairs of measurements to a verdict: the one place where `holds` is computed.
--
-- A ratio is made of the two halves of one pair, which ran side by side, so that what disturbs the machine for longer
-- than a pair disturbs both. It is written so that bigger is better: other/ours for costs, ours/other for rates.
--
-- The ratio of a row is the median of the ratios of its pairs. Its interval is that of order statistics: with n pairs
-- the median lies between the k-th smallest and the k-th largest ratio, but for a chance that the binomial
-- distribution gives (H. A. David, H. N. Nagaraja: Order Statistics, 3rd edition, section 7.1). k is the largest with a
-- chance of at most 5 percent, so the interval is one of at least 95. It assumes nothing about how noise is spread.

local json = require "cjson"

local LEAST_PAIRS = 15
local MISS = 0.05

local report = {}

local function sorted(list)
  local copy = {}
  for at, value in ipairs(list) do copy[at] = value end
  table.sort(copy)
  return copy
end

local function median(list)
  local values = sorted(list)
  local half = math.floor(#values / 2)
  if #values % 2 == 1 then return values[half + 1] end
  return (values[half] + values[half + 1]) / 2
end

-- The rank k of the interval's ends among n values.
local function rank(n)
  local k, chance, sum = 0, 0.5 ^ n, 0
  while true do
    sum = sum + chance
    if 2 * sum > MISS then return k end
    k = k + 1
    chance = chance * (n - k + 1) / k
  end
end

local function ratio_of(row, pair)
  return row.is_rate and pair.ours / pair.other or pair.other / pair.ours
end

local function column(pairs_, name)
  local list = {}
  for at, pair in ipairs(pairs_) do list[at] = pair[name] end
  return list
end

---The median of some ratios, and the ends of its interval.
---@param ratios number[]
---@return number median, number low, number high
function report.interval(ratios)
  local ordered, k = sorted(ratios), rank(#ratios)
  return median(ratios), ordered[k], ordered[#ordered - k + 1]
end

---The ratio of a row in one run of its probe.
---@return number
function report.ratio(row, measured)
  local ratios = {}
  for at, pair in ipairs(measured) do ratios[at] = ratio_of(row, pair) end
  return median(ratios)
end

---One row of the table.
---@param row { id: string, what: string, peer: string, unit: string, goal: number, is_rate: boolean? }
---@param measured { ours: number, other: number, cpu_ours: number?, cpu_other: number? }[]
---@return table
function report.judge(row, measured)
  if #measured < LEAST_PAIRS then
    error(("%s: %d pairs, and %d are the least"):format(row.id, #measured, LEAST_PAIRS), 2)
  end
  local ratios = {}
  for at, pair in ipairs(measured) do ratios[at] = ratio_of(row, pair) end
  local ratio, low, high = report.interval(ratios)
  local judged = {
    id = row.id, what = row.what, peer = row.peer, unit = row.unit, goal = row.goal,
    ours = median(column(measured, "ours")), other = median(column(measured, "other")),
    ratio = ratio, low = low, high = high, holds = high >= row.goal,
  }
  if measured[1].cpu_ours then
    judged.cpu_ours, judged.cpu_other = median(column(measured, "cpu_ours")), median(column(measured, "cpu_other"))
  end
  return judged
end

---A row whose peer is not here.
---@param row table as for report.judge()
---@param why string
---@return table
function report.skip(row, why)
  return { id = row.id, what = row.what, peer = row.peer, unit = row.unit, goal = row.goal, skipped = why }
end

-- --- printing ---------------------------------------------------------------------------------------

local function number(value)
  if not value then return "" end
  if value >= 1000 then return ("%.0f"):format(value) end
  return ("%.3g"):format(value)
end

local heads = { "id", "ours", "other", "unit", "ratio", "95 %", "goal", "", "cpu ours", "cpu other", "beside" }

local function cells(row)
  if row.skipped then
    return { row.id, "", "", row.unit, "", "", ("%.2f"):format(row.goal), "not measured", "", "", row.skipped }
  end
  return { row.id, number(row.ours), number(row.other), row.unit, ("%.3f"):format(row.ratio),
    ("%.3f..%.3f"):format(row.low, row.high), ("%.2f"):format(row.goal), row.holds and "holds" or "MISSES",
    number(row.cpu_ours), number(row.cpu_other), row.peer }
end

---Prints lines of cells, one below the other.
---@param lines string[][]
function report.print(lines)
  local width = {}
  for _, line in ipairs(lines) do
    for at, text in ipairs(line) do width[at] = math.max(width[at] or 0, #text) end
  end
  for _, line in ipairs(lines) do
    local padded = {}
    for at, text in ipairs(line) do padded[at] = text .. (" "):rep(width[at] - #text) end
    print((table.concat(padded, "  "):gsub("%s+$", "")))
  end
end

---Prints the rows and writes them to a file.
---@param rows table[] of report.judge()
---@param path string
function report.write(rows, path)
  local lines, missing, skipped = { heads }, {}, 0
  for _, row in ipairs(rows) do
    lines[#lines + 1] = cells(row)
    if not row.holds and not row.skipped then missing[#missing + 1] = row.id end
    skipped = skipped + (row.skipped and 1 or 0)
  end
  report.print(lines)
  print(("\n%d of %d hold%s%s"):format(#rows - #missing - skipped, #rows - skipped,
    #missing > 0 and "; missing: " .. table.concat(missing, ", ") or "",
    skipped > 0 and ("; %d not measured"):format(skipped) or ""))
  local encoded = {}
  for at, row in ipairs(rows) do encoded[at] = json.encode(row) end
  local file = assert(io.open(path, "w"))
  file:write("[\n", table.concat(encoded, ",\n"), "\n]\n")
  file:close()
end

return report
