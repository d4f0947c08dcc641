-- model.lua - what a program ought to do: slow and obvious.
--
-- A state is a table from key to value: the rows of one actor. Nothing here knows of connections, only of rows.
local model = {}

function model.copy(state)
  local made = {}
  for k, v in pairs(state) do made[k] = v end
  return made
end

---@return string "1=5 2=7"
function model.show(state)
  local shown = {}
  for k = 1, 9 do shown[#shown + 1] = state[k] and ("%d=%d"):format(k, state[k]) end
  return table.concat(shown, " ")
end

local does = {
  add = function(state, k, d)
    if state[k] then return "!constraint" end
    state[k] = d
    return "1"
  end,
  inc = function(state, k, d)
    if not state[k] then return "0" end
    state[k] = state[k] + d
    return "1"
  end,
  del = function(state, k)
    if not state[k] then return "0" end
    state[k] = nil
    return "1"
  end,
  put = function(state, k, d)
    state[k] = d
    return "1"
  end,
  get = function(state, k) return tostring(state[k]) end,
  list = function(state) return model.show(state) end,
  bad = function() return "!query" end,
  nap = function() return "" end,
}

---Does it to state, and says what is answered: "!code" when it fails, and then nothing was done.
function model.statement(state, one) return does[one.word](state, one.k, one.d) end

-- The items of a transaction or savepoint, until the end of its function; the first failure in it, or nil. That the
-- function of a savepoint begins is an answer too: else what comes after one that did not would stand for what is in it.
local function items(state, list, poison, answers)
  for _, one in ipairs(list) do
    if one.savepoint then
      local inner, failed = model.copy(state), poison
      if not poison then
        answers[#answers + 1] = "begun"
        failed = items(inner, one, nil, answers)
      end
      local is_kept = not failed and one.ending == "commit"
      answers[#answers + 1] = poison or one.ending ~= "commit" and one.ending or failed or "commit"
      if is_kept then
        for k in pairs(state) do state[k] = nil end
        for k, v in pairs(inner) do state[k] = v end
      end
    else
      local answer = poison or model.statement(state, one)
      if answer:sub(1, 1) == "!" then poison = answer end
      answers[#answers + 1] = answer
    end
  end
  return poison
end

---@param state table before
---@param unit table
---@return string[] answers of its parts, and then of all of it
---@return table state after it, when nothing disturbs it
function model.unit(state, unit)
  local answers, after = {}, model.copy(state)
  if unit.kind == "transaction" then
    local poison = items(after, unit, nil, answers)
    answers[#answers + 1] = unit.ending == "raise" and "raise" or poison or unit.ending
    return answers, answers[#answers] == "commit" and after or state
  end
  for _, one in ipairs(unit) do
    answers[#answers + 1] = model.statement(after, one)
    if unit.kind == "script" and answers[#answers]:sub(1, 1) == "!" then return { answers[#answers] }, state end
  end
  return unit.kind == "script" and { "done" } or answers, after
end

return model
