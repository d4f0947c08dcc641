-- copies.lua - ways of a load that copies: each takes its time in the middle, so that whatever happens meets it there.
local errors = require "nebula.error"
local nebula = require "nebula"

local sleep, task = nebula.sleep, nebula.task

local PAUSE = "20ms"
local LINE = ("x"):rep(90000) -- more than a chunk

---@param shop nebula.Resource
---@param deadline string of each call
---@return table[] ways { name, fun(id): any, nebula.Error? }
return function(shop, deadline)
  local options = { deadline = deadline }

  local function rows(...)
    local list, at = { ... }, 0
    return function()
      at = at + 1
      if at > 1 then
        local ok, err = sleep(PAUSE)
        if not ok then return nil, err end
      end
      return list[at]
    end
  end

  -- Left in the middle: nothing of it may ever be done, whoever leaves it.
  local function begin_and_leave(id)
    local begun, err
    local work = task(function()
      begun, err = shop:copy_in(options, "copy tally (id, how) from stdin")
      if not begun then return end
      begun:push { id, "left" }
      begun:push(LINE) -- half a line is on its way
      if id % 2 == 0 then sleep "1m" end
    end)
    sleep(PAUSE)
    if id % 2 == 0 then work:cancel() end
    work:join()
    return nil, err or errors.new("cancelled", "stop", "failed", "left in the middle")
  end

  return {
    { "copy", function(id)
      return shop:copy_in(options, "copy tally (id, how) from stdin", rows({ id, LINE }, ""))
    end },
    { "copytx", function(id)
      return shop:transaction(options, function(tx)
        local done, err = tx:copy_in("copy tally (id, how) from stdin", rows({ id, LINE }, ""))
        if not done then return nil, err end
        return tx:copy_in("copy pair (id) from stdin", { { id } })
      end)
    end },
    { "copyout", function(id)
      return shop:copy_out(options, ([[copy (insert into tally (id, how) select %d, 'out'
        returning repeat('x', 5000000)) to stdout]]):format(id), function() sleep(PAUSE) end)
    end },
    { "copybad", function(id)
      return shop:copy_in(options, "copy tally (id, how) from stdin", rows({ id, LINE }, "no number\tx\n", LINE))
    end },
    { "copyleft", begin_and_leave },
  }
end
