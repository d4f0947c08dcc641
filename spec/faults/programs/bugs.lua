-- bugs.lua - mistakes that an engine might make, each planted between a program and the engine. Programs must find them.
--
-- Each is a function of a resource and of `made`, in which `mistakes` counts how often the mistake was made.

-- The same object, but for some methods.
local function sick(healthy, changed)
  return setmetatable({}, { __index = function(_, name)
    local fn = changed[name] or healthy[name]
    if type(fn) ~= "function" then return fn end
    return function(_, ...) return fn(healthy, ...) end
  end })
end

local function count(made) made.mistakes = made.mistakes + 1 end

local function call_failed(made, result, err, ...)
  if result == nil and type(err) == "table" and err.outcome == "in_doubt" then
    err.outcome = "failed"
    count(made)
  end
  return result, err, ...
end

local bugs = {}

bugs["what is in doubt is called failed"] = function(db, made)
  return sick(db, {
    exec = function(on, ...) return call_failed(made, on:exec(...)) end,
    transaction = function(on, ...) return call_failed(made, on:transaction(...)) end,
  })
end

bugs["what is in doubt is done again"] = function(db, made)
  return sick(db, {
    exec = function(on, given, ...)
      local result, err = on:exec(given, ...)
      if result ~= nil or err.outcome ~= "in_doubt" then return result, err end
      count(made)
      return on:exec({ deadline = "5s" }, ...)
    end,
  })
end

-- What was undone by hand is kept; what failed is undone by the engine.
local function keep_savepoint(made, tx, fn)
  local ended
  local answer, err = tx:savepoint(function(inner)
    ended = { pcall(fn, inner) }
    return true
  end)
  if answer == nil then return nil, err end
  if not ended[1] or ended[3] then count(made) end
  if not ended[1] then error(ended[2], 0) end
  if ended[3] then return nil, ended[3] end
  return true
end

bugs["a savepoint is not undone"] = function(db, made)
  return sick(db, {
    transaction = function(on, given, fn)
      return on:transaction(given, function(tx)
        return fn(sick(tx, { savepoint = function(...) return keep_savepoint(made, ...) end }))
      end)
    end,
  })
end

bugs["a commit does not happen"] = function(db, made)
  return sick(db, {
    transaction = function(on, given, fn)
      local result
      local answer, err = on:transaction(given, function(tx)
        result = { fn(tx) }
        return nil, "not this time"
      end)
      if err ~= "not this time" then return answer, err end
      count(made)
      if result[2] then return nil, result[2] end
      return true
    end,
  })
end

bugs["a lease that was lost is given anew in the middle"] = function(db, made)
  return sick(db, {
    lease = function(on, given)
      local lease, err = on:lease(given)
      if not lease then return nil, err end
      return sick(lease, {
        exec = function(healthy, ...)
          local result, why = healthy:exec(...)
          if result ~= nil or why.code ~= "lost" then return result, why end
          count(made)
          return on:exec(...)
        end,
      })
    end,
  })
end

return bugs
