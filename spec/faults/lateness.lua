-- lateness.lua - how late answers to deadlines were, beside bare timers in the same second.
--
--   lateness.watch()             from the beginning
--   lateness.measure(load)       for each load that has finished
--   lateness.is_in_time(1000)    over all of them
local clock = require "spec.support.clock"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local lateness = {}

local controls = {} -- of each the path of what it measures
local late = {} -- ms later than the controls in their second, and than the kernel let the engine's thread run, of all answers to a deadline

local function processors()
  local list = {}
  for range in tmp.read("/proc/self/status"):match("Cpus_allowed_list:%s*(%S+)"):gmatch "[^,]+" do
    local first, last = range:match "^(%d+)%-?(%d*)$"
    for processor = tonumber(first), tonumber(last) or tonumber(first) do list[#list + 1] = processor end
  end
  return list
end

---From here on there is something to compare with: a control on each processor, for a host may take a single one away,
---and the engine may be the one who was on it.
function lateness.watch()
  local folder = tmp.folder(tmp.MEMORY)
  for i, processor in ipairs(processors()) do
    controls[i] = tmp.write(folder, "control" .. processor, "")
    process.start { "taskset", "-c", tostring(processor), process.program "nebula-lua", "spec/faults/control.lua", controls[i] }
  end
end

-- By second the worst of all controls; nil as long as one of them has not measured the last.
local function controls_by_second(last)
  local worst = {}
  for _, path in ipairs(controls) do
    local is_there = false
    for text, ms in tmp.read(path):gmatch "(%d+) (%S+)\n" do
      local second = tonumber(text)
      worst[second] = math.max(worst[second] or 0, tonumber(ms))
      is_there = is_there or second >= last
    end
    if not is_there then return end
  end
  return worst
end

---Remembers how late the answers of this load to its deadlines were.
---@param self spec.Load
function lateness.measure(self)
  local last = math.floor(self.ends[#self.ends].at / 1000)
  local worst = clock.eventually("the controls have measured", function() return controls_by_second(last) end)
  for _, one in ipairs(self.ends) do
    if one.took >= self.deadline then
      local second = math.floor(one.at / 1000)
      local noise = math.max(worst[second] or 0, worst[second - 1] or 0, one.unserved)
      late[#late + 1] = one.took - self.deadline - noise
    end
  end
end

---Over all loads that were measured: one in a thousand, but one at least, may be more than 5 ms later than the control, and
---none 20. Under a sanitizer, which makes everything late, it is only said.
---@param least integer answers that there must be for this to mean anything
function lateness.is_in_time(least)
  table.sort(late)
  assert(process.is_sanitized or #late >= least, ("only %d answers to a deadline"):format(#late))
  local worst, most = late[#late], late[#late - math.max(1, math.floor(#late / 1000))]
  local half = late[math.ceil(#late / 2)]
  local shown = ("%d answers: p50 %.1f, p99.9 %.1f, worst %.1f ms later than the control"):format(#late, half, most, worst)
  assert(process.is_sanitized or most <= 5 and worst < 20, shown)
  print("# " .. shown)
end

return lateness
