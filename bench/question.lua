-- question.lua - a function of a policy, asked from Lua and answered in the judge: eight fields, a boolean.
package.path = "./?.lua;" .. package.path
local ending = require "spec.support.ending"
local measure = require "bench.measure"
local questions = require "nebula.questions"

local PAIRS, SLICES, SLICE = 41, 20, 2000
local ALLOWED_NS = 2000

local policy = [[
policy "bench" {
  retry = { on = function(e) return e.code == "lost" and e.attempt < 3 and e.idempotent end },
}]]

local asked = assert(questions.open {
  sources = { { file = "policies/bench.lua", text = policy } }, kinds = {},
  tell = function(breach) error(tostring(breach)) end,
})
local on = asked:find({ kind = "policy", name = "bench", path = "retry.on", file = "policies/bench.lua" },
  { type = "boolean" })

local fields = {
  code = "lost", attempt = 2, idempotent = true, outcome = "failed", resource = "orders", verb = "query",
  elapsed = 0.25, text = "server closed the connection unexpectedly",
}

local function time_questions()
  local begun, yes = measure.thread_us(), 0
  for _ = 1, SLICE do
    if asked:ask(on, fields) then yes = yes + 1 end
  end
  assert(yes == SLICE)
  return (measure.thread_us() - begun) * 1000 / SLICE
end

for _ = 1, 10 do time_questions() end -- until it is compiled
for _ = 1, PAIRS do
  local ours = 0
  for _ = 1, SLICES do ours = ours + time_questions() / SLICES end
  measure.pair("judge.question", ours, ALLOWED_NS)
end
ending.run()
