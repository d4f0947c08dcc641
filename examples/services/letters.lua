-- letters.lua - services that work off a table, for as long as the program runs.
--
--   nebula serve examples
--
-- `intake` writes letters, `mailer` sends them, with two instances that never take the same one. A letter is taken,
-- sent and marked as sent. One that the end of the program left taken is new again at the next start, for nobody knows
-- whether it was sent: so each is sent at least once, and almost always exactly once.

local shop = use "shop"

local function must(ok, err)
  if not ok then error(err, 0) end -- the service fails, and is started again after a pause
  return ok
end

local function is_there()
  return must(shop:value "select count(*) from sqlite_master where name = 'letters'") == 1
end

service "intake" {
  run = function()
    must(shop:exec [[
      create table if not exists letters (id integer primary key, text text, state text default 'new');
      update letters set state = 'new' where state = 'taken']])
    repeat
      must(shop:exec("insert into letters (text) values (?)", "written at " .. os.time()))
    until not sleep "5ms"
  end,
}

-- The oldest new letter, for this instance alone; nil when there is none.
local function take()
  local letter, err = shop:one [[update letters set state = 'taken' where id =
    (select id from letters where state = 'new' order by id limit 1) returning id, text]]
  if err then error(err, 0) end
  return letter
end

service "mailer" {
  instances = 2,
  restart = { pause = "50ms", pause_max = "5s" },
  run = function(number)
    while not is_there() do
      if not sleep "5ms" then return end
    end
    while not stopping() do
      local letter = take()
      if letter then
        print(("letter %d: sent by mailer %d"):format(letter.id, number))
        must(shop:exec("update letters set state = 'sent' where id = ?", letter.id))
      elseif not sleep "20ms" then
        return -- the program drains
      end
    end
  end,
}
