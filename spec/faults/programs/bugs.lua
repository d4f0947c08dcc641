-- bugs.lua - mistakes that an engine might make, each planted between a program and the engine. Programs must find them.

-- The same object, but for some methods.
local function sick(healthy, changed)
  return setmetatable({}, { __index = function(_, name)
    local fn = changed[name] or healthy[name]
    if type(fn) ~= "function" then return fn end
    return function(_, ...) return fn(healthy, ...) end
  end })
end

local function call_failed(result, err, ...)
  if result == nil and type(err) == "table" and err.outcome == "in_doubt" then err.outcome = "failed" end
  return result, err, ...
end

local bugs = {}

bugs["what is in doubt is called failed"] = function(db)
  return sick(db, {
    exec = function(on, ...) return call_failed(on:exec(...)) end,
    transaction = function(on, ...) return call_failed(on:transaction(...)) end,
  })
end

bugs["what is in doubt is done again"] = function(db)
  return sick(db, {
    exec = function(on, given, ...)
      local result, err = on:exec(given, ...)
      if result == nil and err.outcome == "in_doubt" then return on:exec({ deadline = "5s" }, ...) end
      return result, err
    end,
  })
end

-- What was undone by hand is kept; what failed is undone by the engine.
local function keep_savepoint(tx, fn)
  local ended
  local answer, err = tx:savepoint(function(inner)
    ended = { pcall(fn, inner) }
    return true
  end)
  if answer == nil then return nil, err end
  if not ended[1] then error(ended[2], 0) end
  if ended[3] then return nil, ended[3] end
  return true
end

bugs["a savepoint is not undone"] = function(db)
  return sick(db, {
    transaction = function(on, given, fn)
      return on:transaction(given, function(tx) return fn(sick(tx, { savepoint = keep_savepoint })) end)
    end,
  })
end

bugs["a commit does not happen"] = function(db)
  return sick(db, {
    transaction = function(on, given, fn)
      local result
      local answer, err = on:transaction(given, function(tx)
        result = { fn(tx) }
        return nil, "not this time"
      end)
      if err ~= "not this time" then return answer, err end
      if result[2] then return nil, result[2] end
      return true
    end,
  })
end

bugs["a lease that was lost is given anew in the middle"] = function(db)
  return sick(db, {
    lease = function(on, given)
      local lease, err = on:lease(given)
      if not lease then return nil, err end
      return sick(lease, {
        exec = function(healthy, ...)
          local result, why = healthy:exec(...)
          if result == nil and why.code == "lost" then return on:exec(...) end
          return result, why
        end,
      })
    end,
  })
end

return bugs
