-- job_queue.lua - jobs in a table, and workers that sleep until somebody says that there is one.
--
--   nebula run examples/job_queue.lua       (the shop must be PostgreSQL: SQLite tells nobody anything)
--
-- The table has the jobs, the notification only says "look": so one that is missed while the server is away costs
-- nothing but the look after the gap. A job is told of when the transaction that brings it commits, never before.

local shop = use "shop"

assert(shop:exec "drop table if exists jobs; create table jobs (id integer primary key, what text, state text)")

-- The next job for this worker alone, whoever else looks at the same moment.
local function take()
  local job, err = shop:one [[update jobs set state = 'taken' where id = (select id from jobs where state = 'new'
    order by id limit 1 for update skip locked) returning id, what]]
  if err then error(err, 0) end
  return job
end

local done = 0

local function work_off()
  for job in take do
    print(("job %d: %s"):format(job.id, job.what))
    done = done + 1
  end
end

local function add(first, list)
  assert(shop:transaction(function(tx)
    for i, what in ipairs(list) do
      assert(tx:exec("insert into jobs values (?, ?, 'new')", first + i - 1, what))
    end
    return tx:exec "notify jobs"
  end))
end

add(1, { "was there before anybody listened" })

local listener = assert(shop:listen "jobs") -- from here on nothing is missed; now what was there before
work_off()

local worker = task(function()
  for note in listener do
    if note.gap then log.warn("jobs may have come meanwhile: %s", note.text) end
    work_off()
  end
  print "nobody listens any more"
end)

add(2, { "wake up", "and another one" })
while done < 3 do sleep "5ms" end
add(4, { "once more" })
while done < 4 do sleep "5ms" end

listener:close()
worker:join()
print(("%d jobs done, %d left"):format(done, shop:value "select count(*) from jobs where state = 'new'"))
