-- player.lua - plays a program on a real server, disturbs it, and compares with the model after each round.
--
-- What was answered is what the model says, up to the first part that was disturbed. What the server has is what the
-- model says of units that are ok, nothing of those that failed, and one of both of those in doubt.
local author = require "spec.faults.programs.author"
local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local errors = require "nebula.error"
local model = require "spec.faults.programs.model"

local player = {}

local TABLE = "create table if not exists kv (owner int, k int, v int, primary key (owner, k))"
player.TABLE = TABLE

-- Codes of what the world did, and no program.
local disturbed = {}
for code in ("lost deadline cancelled unreachable wait full stale busy protocol"):gmatch "%a+" do disturbed["!" .. code] = true end

-- --- one unit ---------------------------------------------------------------------------------------

local texts = {
  add = "insert into kv (owner, k, v) values (:owner, :k, :d)",
  inc = "update kv set v = v + :d where owner = :owner and k = :k",
  del = "delete from kv where owner = :owner and k = :k",
  put = "insert into kv (owner, k, v) values (:owner, :k, :d) on conflict (owner, k) do update set v = excluded.v",
  get = "select v from kv where owner = :owner and k = :k",
  list = "select k, v from kv where owner = :owner order by k",
  bad = "select 1 / (:d - :d)",
  nap = "select pg_sleep(:d / 1000.0)",
}

local function answer_of(result, err)
  if errors.is(err) then return "!" .. err.code end
  return result
end

local function rows_of(stream)
  local rows = {}
  while true do
    local row, err = stream:next()
    if err then return nil, err end
    if not row then return rows end
    rows[row.k] = row.v
  end
end

-- On a resource, a lease or a transaction.
local function ask(on, one, owner, given)
  local text, values = texts[one.word], { owner = owner, k = one.k, d = one.d }
  if one.word == "list" then
    local rows, err = rows_of(on:stream({ deadline = given.deadline, window = 2 }, text, values))
    return answer_of(rows and model.show(rows), err), err
  elseif one.word == "get" then
    local value, err = on:value(given, text, values)
    return answer_of(tostring(value), err), err
  elseif one.word == "bad" or one.word == "nap" then
    local _, err = on:query(given, text, values)
    return answer_of("", err), err
  end
  local count, err = on:exec(given, text, values)
  return answer_of(tostring(count), err), err
end

local function leave(ending)
  if ending == "raise" then error("on purpose", 0) end
  if ending == "refuse" then return nil, "refuse" end
end

local function how_it_ended(ok, result, err)
  if not ok then
    if result ~= "on purpose" then error(result, 0) end
    return "raise"
  elseif result == nil then
    return errors.is(err) and "!" .. err.code or err, err
  end
  return "commit"
end

local function do_items(tx, list, owner, answers)
  for _, one in ipairs(list) do
    if one.savepoint then
      local ended = how_it_ended(pcall(tx.savepoint, tx, function()
        answers[#answers + 1] = "begun"
        do_items(tx, one, owner, answers)
        return leave(one.ending)
      end))
      answers[#answers + 1] = ended
    else
      answers[#answers + 1] = ask(tx, one, owner, {})
    end
  end
end

local function outcome_of(err) return errors.is(err) and err.outcome or "failed" end

-- Each gives its answers and, as a list, the states that may be behind it.
local does = {}

function does.single(db, unit, owner, before, after)
  local given = { deadline = unit.deadline, idempotent = unit[1].word == "put" or nil }
  local answer, err = ask(db, unit[1], owner, given)
  local outcome = err and outcome_of(err) or "ok"
  return { answer }, outcome == "ok" and { after } or outcome == "failed" and { before } or { before, after }
end

function does.script(db, unit, owner, before, after)
  local list = {}
  for i, one in ipairs(unit) do
    list[i] = texts[one.word]:gsub(":(%l+)", { owner = owner, k = one.k, d = one.d })
  end
  local _, err = db:exec({ deadline = unit.deadline }, table.concat(list, "; "))
  local outcome = err and outcome_of(err) or "ok"
  return { answer_of("done", err) }, outcome == "ok" and { after } or outcome == "failed" and { before } or { before, after }
end

function does.transaction(db, unit, owner, before, after)
  local answers = {}
  local ended, err = how_it_ended(pcall(db.transaction, db, { deadline = unit.deadline, isolation = unit.isolation }, function(tx)
    do_items(tx, unit, owner, answers)
    return leave(unit.ending)
  end))
  answers[#answers + 1] = ended
  if errors.is(err) and err.outcome == "in_doubt" then return answers, { before, after } end
  return answers, { ended == "commit" and after or before }
end

function does.lease(db, unit, owner, before)
  local answers, state, doubtful = {}, model.copy(before), nil
  local lease, err = db:lease { deadline = unit.deadline }
  if not lease then return { "!" .. err.code }, { before } end
  for i, one in ipairs(unit) do
    answers[i], err = ask(lease, one, owner, { deadline = unit.deadline })
    if disturbed[answers[i]] then
      if err.outcome == "in_doubt" then
        doubtful = model.copy(state)
        model.statement(doubtful, one)
      end
      break
    end
    model.statement(state, one)
  end
  lease:release()
  return answers, { state, doubtful }
end

-- --- comparing --------------------------------------------------------------------------------------

-- Until a disturbed part all is as expected; without one, to the end. When going back to a savepoint is what was
-- disturbed, the transaction stays poisoned by its first failure.
local function compare_answers(expected, answers, may_be_disturbed)
  local failures = {}
  for i = 1, #expected do
    local failure = answers[i] and answers[i]:match "^!.*"
    if answers[i] ~= expected[i] then
      if may_be_disturbed and failure and (disturbed[failure] or failures[failure]) then return end
      error(("part %d: expected %q, not %q"):format(i, expected[i], tostring(answers[i])), 0)
    end
    if failure then failures[failure] = true end
  end
end

local function is_among(states, shown)
  for _, state in pairs(states) do
    if model.show(state) == shown then return true end
  end
end

-- --- one round --------------------------------------------------------------------------------------

local disturb = { none = function() end }

function disturb.cut(stage) stage.net:tell "cut" end
function disturb.truncate(stage, how) stage.net:tell("truncate", how.way, how.bytes, how.ending, "once") end
function disturb.cancel(_, how, tasks) cancel(tasks[how.actor]) end

function disturb.blackhole(stage, how)
  stage.net:tell("blackhole", how.way)
  sleep(how.for_ms .. "ms")
  stage.net:tell "pass"
end

function disturb.kill(stage)
  assert(stage.admin:query("select pg_terminate_backend(pid, 2000) from pg_stat_activity where application_name = :name",
    { name = "nebula " .. stage.db.name }))
end

-- Nothing of the round is under way any more, in the pool, in the network or on the server.
local function settle(stage)
  stage.net:tell "pass"
  declared.is_settled(stage.db)
  clock.eventually("the server has heard all", function()
    local sessions = stage.admin:one([[select count(*) as n, count(*) filter (where state = 'idle') as idle
      from pg_stat_activity where application_name = :name]], { name = "nebula " .. stage.db.name })
    return sessions and sessions.n == sessions.idle and sessions.n == declared.inspect(stage.db).open
  end)
end

local function read(stage, owner)
  local state = {}
  for _, row in ipairs(assert(stage.admin:query("select k, v from kv where owner = :owner", { owner = owner }))) do
    state[row.k] = row.v
  end
  return state
end

local function act(stage, unit, owner, state)
  local expected, after = model.unit(state, unit)
  local seen = { expected = expected, ok = true, answers = { "!cancelled" }, states = { state } } -- before its first turn
  local made = task(function() -- join() would not tell of a cancelled one how it failed
    seen.ok, seen.answers, seen.states = pcall(does[unit.kind], stage.db, unit, owner, state, after)
  end)
  return made, seen
end

local function play_round(stage, program, round, states)
  local tasks, seen = {}, {}
  for actor = 1, author.ACTORS do
    tasks[actor], seen[actor] = act(stage, round[actor], program.seed * 10 + actor, states[actor])
  end
  if round.disturbance.kind ~= "none" then
    assert(sleep(round.disturbance.at .. "ms"))
    disturb[round.disturbance.kind](stage, round.disturbance, tasks)
  end
  for actor = 1, author.ACTORS do
    tasks[actor]:join()
    if not seen[actor].ok then error(("actor %d: %s"):format(actor, tostring(seen[actor].answers)), 0) end
  end
  settle(stage)
  for actor = 1, author.ACTORS do
    local one, actual = seen[actor], read(stage, program.seed * 10 + actor)
    local ok, why = pcall(compare_answers, one.expected, one.answers, not program.is_calm)
    if not ok then error(("actor %d, %s"):format(actor, why), 0) end
    assert(is_among(one.states, model.show(actual)), ("actor %d: the server has %q, expected %q%s"):format(actor,
      model.show(actual), model.show(one.states[1]), one.states[2] and (" or %q"):format(model.show(one.states[2])) or ""))
    states[actor] = actual
  end
end

---Plays it on a stage { net, db, admin }; raises what does not hold, with the program.
function player.play(stage, program)
  local states = {}
  settle(stage) -- the last program here may have been given up in the middle
  assert(stage.admin:exec("delete from kv where owner / 10 = :seed", { seed = program.seed }))
  for actor = 1, author.ACTORS do states[actor] = {} end
  for number, round in ipairs(program) do
    local ok, why = pcall(play_round, stage, program, round, states)
    if not ok then
      error(("round %d: %s\n%s\nreplay: SEED=%d"):format(number, tostring(why), author.print(program), program.seed), 0)
    end
  end
end

return player
