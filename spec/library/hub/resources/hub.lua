-- hub: names with values behind a Unix socket. What a kind can have that has no SQL: rows, batches, streams both ways,
-- listeners, several endpoints, and several calls at once on a connection.

local c = require "nebula.c"
local call = require "nebula.call"
local listen = require "nebula.listen"

local lib = c.lib

local function cells()
  local list = {}
  for row = 1, call.reply.rows do list[row] = call.lua(call.cell(call.ticket, row - 1, 0)) end
  return list
end

local function run(on, verb, text, options)
  local ticket, err = call.run(on, verb, options, text, 0)
  if not ticket then return nil, err end
  call.ticket = ticket
  local said = { rows = cells(), changed = tonumber(call.reply.changed), more = call.reply.more, input = call.reply.wants_input }
  call.done(ticket)
  return said
end

local function ask(on, text, options)
  local said, err = run(on, lib.NEBULA_RUN, text, options)
  if not said then return nil, err end
  return said.rows[1] or said.changed
end

-- All texts at once. What became of each: its answer, or its failure.
local function batch(on, is_each, ...)
  local list = {}
  for i, text in ipairs { ... } do list[i] = { text = { text = text, count = 0 }, values = {} } end
  local ticket, err = call.batch(on, {}, is_each, list)
  if not ticket then return nil, err end
  if err then err.part = call.reply.part end
  local results = {}
  for i = 1, #list do
    local failure = call.part(on, ticket, i)
    results[i] = failure or call.reply.rows > 0 and call.lua(call.cell(ticket, 0, 0)) or tonumber(call.reply.changed)
  end
  call.done(ticket)
  return results, err
end

-- What a stream brings, piece by piece: "scan" has rows, "dump" chunks of lines.
local function read(lease, text, window)
  local pieces, said, err = {}, run(lease, lib.NEBULA_STREAM, text, { window = window })
  while said do
    for _, piece in ipairs(said.rows) do pieces[#pieces + 1] = piece end
    if not said.more then return pieces end
    said, err = run(lease, lib.NEBULA_PULL, "", { window = window })
  end
  return nil, err
end

-- Lines of a name and a value, in whatever pieces. How many; nothing of them is there before the last was taken.
local function load(lease, ...)
  local said, err = run(lease, lib.NEBULA_STREAM, "load")
  for _, piece in ipairs { ... } do
    if not said then return nil, err end
    assert(said.more and said.input)
    said, err = run(lease, lib.NEBULA_PUSH, piece)
  end
  if said then said, err = run(lease, lib.NEBULA_FINISH, "") end
  if not said then return nil, err end
  return said.changed
end

local function spec(declared)
  local told = { options = {}, endpoints = {}, pool = { pipeline = declared.options.pipeline } }
  local is_balanced = declared.balance ~= "connections"
  told.role_choice = { declared.options.fall_back and lib.NEBULA_FALL_BACK or lib.NEBULA_STAY,
    is_balanced and lib.NEBULA_SPREAD or lib.NEBULA_STAY, lib.NEBULA_STAY }
  for path in declared.options.path:gmatch "[^,]+" do
    table.insert(told.endpoints, path)
    table.insert(told.options, { name = "path", value = path, endpoint = #told.endpoints })
  end
  if #told.endpoints == 1 then told.endpoints, told.options[1].endpoint = nil, nil end
  return told
end

return kind "hub" {
  driver = "hub",
  roles = { "main", "any", "writer" },
  check = "check",
  listen = { on = 'hear "%s";', off = 'mute "%s";', most = 31 },
  spec = spec,
  options = {
    path = { type = "string", required = true, class = "restart", text = "The hub's socket. Several: a,b" },
    fall_back = { type = "boolean", class = "restart", text = "Where no hub takes writes, one that takes none will do." },
    pipeline = { type = "integer", class = "restart", text = "Calls at once on a connection." },
  },
  resource = { ask = ask, batch = batch, listen = listen.open },
  lease = {
    ask = ask, batch = batch, read = read, load = load,
    begin = function(lease) return run(lease, lib.NEBULA_STREAM, "load") end,
    push = function(lease, bytes) return run(lease, lib.NEBULA_PUSH, bytes) end,
    pull = function(lease) return run(lease, lib.NEBULA_PULL, "", { window = 1 }) end,
    stop = function(lease) return run(lease, lib.NEBULA_STOP, "") end,
  },
}
