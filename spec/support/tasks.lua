-- tasks.lua - what specs of tasks ask again and again.
local assert = require "luassert"
local errors = require "nebula.error"
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
