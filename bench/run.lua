-- run.lua - the numbers of the project: `make bench [ONLY=prefix]`.
--
-- Runs the probes of bench/rows.lua one after the other, each in a process of its own, so that none profits or suffers
-- from another. A row of noise is measured in each run, whatever was asked for.

package.path = "./?.lua;" .. package.path

local ending = require "spec.support.ending"
local probe = require "bench.probe"
local probes = require "bench.rows"
local process = require "spec.support.process"
local report = require "bench.report"

local ALWAYS = "noise.hit"

local prefix = (...) or ""

local function is_wanted(row)
  return row.id:sub(1, #prefix) == prefix or row.id == ALWAYS
end

local function wanted_rows(one)
  local rows = {}
  for _, row in ipairs(one.rows) do
    if is_wanted(row) then rows[#rows + 1] = row end
  end
  return rows
end

local function measure()
  local judged = {}
  for _, one in ipairs(probes) do
    local rows = wanted_rows(one)
    if #rows > 0 then
      io.stderr:write("bench: ", one.name, "\n")
      local measured, skipped = probe.run(one)
      for _, row in ipairs(rows) do
        judged[#judged + 1] = skipped[row.id] and report.skip(row, skipped[row.id])
          or report.judge(row, measured[row.id] or {})
      end
    end
  end
  return judged
end

local ok, rows = pcall(measure)
ending.run()
if not ok then error(rows, 0) end
report.write(rows, process.program "bench.json")
