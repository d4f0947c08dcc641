-- scale.lua - what it costs to look at 1,000, 10,000 and 100,000 resources: build/bench/scale, and a picture of it.
package.path = "./?.lua;" .. package.path
local curve = require "bench.curve"
local ending = require "spec.support.ending"
local measure = require "bench.measure"
local process = require "spec.support.process"
local report = require "bench.report"
local tmp = require "spec.support.tmp"

local PAIRS, COUNTS = 15, { 1000, 10000, 100000 }

-- ns for each resource
local function run(count)
  local ran = process.run { process.program "bench/scale", tostring(count), within = 120000 }
  if ran.code ~= 0 then error(ran.errors) end
  local list, sweep = ran.output:match "^(%S+) (%S+)"
  return tonumber(list), tonumber(sweep)
end

local all = {}
for _, count in ipairs(COUNTS) do all[count] = { list = {}, sweep = {} } end
for pair = 1, PAIRS do
  for _, count in ipairs(COUNTS) do
    all[count].list[pair], all[count].sweep[pair] = run(count)
  end
  local first, last = all[COUNTS[1]], all[COUNTS[#COUNTS]]
  measure.pair("scale.resources.ls", last.list[pair] / 1000, first.list[pair] / 1000)
  measure.pair("scale.resources.sweep", last.sweep[pair], first.sweep[pair])
end

local function line(name, what)
  local points = {}
  for at, count in ipairs(COUNTS) do points[at] = { count, report.interval(all[count][what]) * count / 1e6 } end
  return { name = name, points = points }
end

tmp.write(process.program "bench", "scale.svg", curve.draw("What it costs to look at all resources", "resources", "ms",
  { line("nebula ls", "list"), line("the keepers' look", "sweep") }))
ending.run()
