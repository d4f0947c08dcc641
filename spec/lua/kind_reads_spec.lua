-- A kind of somebody else says which of its methods read, and a policy's cache and fallbacks stand before those.

local process = require "spec.support.process"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local ended, says = program.ended, program.says

describe("a kind", function()
  local function run(kind, flow)
    local folder = tmp.folder()
    tmp.write(folder, "kinds/resources/shout.lua", ([[
      local c = require "nebula.c"
      local call = require "nebula.call"
      local function ask(on, given, text)
        if type(given) ~= "table" then given, text = nil, given end
        local ticket, err = call.run(on, c.lib.NEBULA_RUN, given, text, 0)
        if not ticket then return nil, err end
        local answer = call.lua(call.cell(ticket, 0, 0))
        call.done(ticket)
        return answer
      end
      return kind "shout" {
        driver = "sqlite", check = "select 1", options = { file = { type = "string" } }, resource = { ask = ask, tell = ask }, lease = {}, %s
      }]]):format(kind))
    tmp.write(folder, "policies/p.lua", [[policy "p" { like = "standard", cache = { ttl = "1h" },
      fallback = { call = function(e) return e.method .. " " .. e.code end } }]])
    tmp.write(folder, "resources/r.lua", 'shout "loud" { file = ":memory:", policy = "p", pool = { max = 1 } }')
    local command = program.command("run", tmp.write(folder, "flow.lua", flow))
    command.env.NEBULA_PATH = folder .. "/kinds"
    return process.run(command)
  end

  local READS = [[reads = { ask = function(self, given, text)
    if type(given) ~= "table" then given, text = nil, given end
    if text:find "past" then return nil end
    return text, given
  end }]]

  it("has something in front of what it calls reads, as its function tells the questions apart", function()
    local said = ended(0, run(READS, [[
      local loud = use "loud"
      local roll = "select abs(random())"
      print(loud:ask(roll) == loud:ask(roll), loud:ask(roll) == loud:ask({ deadline = "1s" }, roll))
      print(loud:ask(roll .. " as past") == loud:ask(roll .. " as past"), loud:tell(roll) == loud:tell(roll))
      print(loud:ask(roll) == loud:ask({ cache = false, deadline = "1s" }, roll))
      loud:pause()
      print((loud:ask({ fail_fast = true }, "select 5")), select(2, loud:tell({ fail_fast = true }, "select 5")).code)
      print(loud:stats().front.hits)
    ]]))
    assert.equal("true\ttrue\nfalse\tfalse\nfalse\nask paused\tpaused\n4\n", said.output)
  end)

  it("that calls nothing reads can have nothing in front", function()
    says("r.lua:1:35: loud.policy: the policy p has a cache or a fallback, and nothing that this kind does can have one",
      ended(2, run("", "")).errors)
  end)

  it("calls reads what is a method", function()
    says('shout.lua: kind "shout": reads: a resource has no method shout', ended(1, run("reads = { shout = print }", "")).errors)
  end)
end)
