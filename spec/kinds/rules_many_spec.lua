-- Ten thousand tasks at one circuit, one limit with its queue and one rate: each ends, and each permit comes back.

local c = require "nebula.c"
local json = require "cjson"
local kinds = require "spec.kinds.declared"

local TASKS, QUEUE = 10000, 500

local function policy(more)
  return { many = ([[
policy "many" {
  like = "standard",
  call = { deadline = "20s", wait = "20s" },
  circuit = { consecutive = 1000000, percent = 0 },
  limit = { concurrent = 100, queue = %d, rate = { calls = "1000000/s", burst = 100000 } },
  %s
}]]):format(QUEUE, more or "") }
end

local function limit_of(name)
  local told = json.decode(c.string(c.lib.nebula_ask(c.engine, json.encode { verb = "inspect", name = name })))
  return told.resource.guards[1].limit
end

-- How often each answer was given by as many tasks at once.
local function ask_all(resource, count, fn)
  local tasks, answers = {}, {}
  for i = 1, count do
    tasks[i] = task(function()
      local value, err = fn(resource, i)
      local answer = err and err.code or value
      answers[answer] = (answers[answer] or 0) + 1
    end)
  end
  for i = 1, count do tasks[i]:join() end
  return answers
end

describe("ten thousand tasks", function()
  it("are served or refused, and the permits are back", function()
    local shop = kinds.use('sqlite "many" { file = ":memory:", policy = "many", pool = { max = 1, queue = 100000 } }', policy())
    local answers = ask_all(shop, TASKS, function(resource) return resource:value "select 1" end)
    assert.equal(TASKS, answers[1] + (answers.full or 0))
    assert.is_true(answers[1] >= 100 + QUEUE, tostring(answers[1]))
    local limit = limit_of "many"
    assert.same({ 0, 0, 100 }, { limit.under_way, limit.waiting, limit.most })
    assert.equal(TASKS, limit.ran + limit.refused)
    assert.same({ 1, 1 }, { ask_all(shop, 1, function(r) return r:value "select 1" end)[1], shop:value "select 1" })
  end)

  it("may be cancelled while they wait", function()
    local shop = kinds.use('sqlite "left" { file = ":memory:", policy = "many", pool = { max = 1, queue = 100000 } }', policy())
    local tasks, begun, ended = {}, 0, 0
    for i = 1, TASKS do
      tasks[i] = task(function()
        begun = begun + 1
        defer(function() ended = ended + 1 end)
        shop:value "select 1"
      end)
    end
    while begun < TASKS / 2 do sleep "1ms" end
    for i = 1, TASKS do tasks[i]:cancel() end
    for i = 1, TASKS do tasks[i]:join() end
    assert.equal(begun, ended)
    local limit = limit_of "left"
    assert.same({ 0, 0 }, { limit.under_way, limit.waiting })
    assert.equal(1, shop:value "select 1")
  end)

  it("are all refused by a circuit that is open", function()
    local shop = kinds.use('sqlite "open" { file = ":memory:", policy = "many", pool = { max = 1, queue = 100000 } }',
      { many = policy().many:gsub("circuit = [^\n]*", 'circuit = { mode = "open" },') })
    assert.same({ open = TASKS }, ask_all(shop, TASKS, function(resource) return resource:value "select 1" end))
  end)
end)
