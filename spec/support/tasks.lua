-- tasks.lua - what specs of tasks ask again and again.
local assert = require "luassert"
local c = require "nebula.c"
local errors = require "nebula.error"
local json = require "cjson"
local tree = require "nebula.tree"

local tasks = {}

---@return integer count of the tasks that live
function tasks.alive()
  local count = 0
  for _ in pairs(tree.alive()) do
    count = count + 1
  end
  return count
end

---@return { tasks: integer, tickets: integer } count that the engine has of them
function tasks.count()
  local ls = json.decode(c.string(c.lib.nebula_ask(c.engine, '{"verb":"ls"}')))
  return { tasks = ls.tasks, tickets = ls.tickets }
end

---Lets every task run until it waits.
function tasks.settle()
  for _ = 1, 3 do assert(sleep "0s") end
end

---Asserts that a call gave `nil, err` of that code: tasks.fails("deadline", sleep "1h")
function tasks.fails(code, result, err)
  assert.is_nil(result)
  assert.is_true(errors.is(err), tostring(err))
  assert.equal(code, err.code)
end

---Asserts that fn raises something with that text in it.
function tasks.raises(text, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_not_nil(tostring(message):find(text, 1, true), tostring(message))
end

return tasks
