--- declared: a resource as the files declare it, as an engine would tell it.

local balance = require "nebula.cli.balance"
local c = require "nebula.c"
local folder = require "nebula.cli.folder"
local rules = require "nebula.cli.rules"
local strategy = require "nebula.cli.strategy"

local function secrets_of(resources)
  local secrets = {}
  for _, r in ipairs(resources) do
    for _, option in ipairs(r.options) do
      secrets[#secrets + 1] = option.secret and option.value or nil
    end
  end
  return secrets
end

local declared = {}

--- A resource in the words and units in which an engine that runs tells it.
---@param r nebula.DeclaredResource
---@param resources nebula.DeclaredResource[] all of them, whose secrets are not shown
---@return table
function declared.told(r, resources)
  local p, l, options, secrets = r.pool, r.policy, {}, secrets_of(resources)
  for _, option in ipairs(r.options) do
    if not option.role and not option.endpoint then
      options[option.name] = option.secret and "***" or c.mask(option.value, secrets)
    end
  end
  return {
    name = r.name, kind = r.kind.name, policy = r.policy_name, file = r.file, line = r.line, options = options,
    note = folder.note, balance = balance.told(r.balance), endpoints = r.endpoints, roles = r.endpoints and r.roles,
    disturbed_by = r.chaos and ("%s:%d"):format(r.chaos.file, r.chaos.line),
    strategy = strategy.told(r.strategy), rules = rules.told(l.rules), operations = rules.told_operations(r.operations),
    pool = {
      min = p.min, max = p.max, queue = p.queue, connecting = p.connecting, fail_fast = p.fail_fast,
      order = p.fifo and "fifo" or "lifo", idle = p.idle_us / 1e6, life = p.life_us / 1e6, life_jitter = p.life_jitter,
      check = p.check_us < 0 and -1 or p.check_us / 1e6, connect = p.connect_us / 1e6,
      start_within = p.start_us / 1e6, keepalive = p.keepalive_us / 1e6, hold = p.hold_us / 1e6,
      hold_action = p.is_reclaiming and "reclaim" or "report",
    },
    limits = {
      deadline = l.deadline_us / 1e6, wait = l.wait_us / 1e6, tries = l.tries, pause = l.pause_us / 1e6,
      pause_max = l.pause_max_us / 1e6, budget = l.budget, budget_least = l.budget_least,
    },
  }
end

return declared
