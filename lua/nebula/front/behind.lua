--- behind: a newer answer is fetched while an older one is given, by one task for each question.
--
-- The task belongs to nobody who asked: it ends with the work of this worker. It acts for the same tenant, has the
-- policy's deadline, and asks for what was asked then, whatever becomes of the arguments.

local c = require "nebula.c"
local codec = require "nebula.codec"
local context = require "nebula.context"
local failures = require "nebula.failure"
local front = require "nebula.front"
local log = require "nebula.log"
local mail = require "nebula.mail"

local lib, engine = c.lib, c.engine

local ARGUMENTS_MOST = 1e6 -- bytes

local behind = {}

local function fetch(self, question)
  question.start_us = tonumber(lib.nebula_now_us(engine))
  local _, err = front.ask(self, question)
  if err then
    log.debug("%s: an answer that is kept could not be renewed: %s", self.resource.name, tostring(err))
  end
end

local function begin(self, question, tenant)
  if tenant then return context.tenant(tenant, fetch, self, question) end
  return fetch(self, question)
end

-- The question with arguments of its own; nil when these cannot be copied.
local function copy(question)
  local bytes = codec.encode({ n = question.n, unpack(question, 1, question.n) }, "arguments", ARGUMENTS_MOST)
  if not bytes then return nil end
  local other = codec.decode(bytes)
  for name, value in pairs(question) do
    if type(name) == "string" then other[name] = value end
  end
  other.tale = 0
  if question.given then -- whose deadline and impatience are not this one's
    other.given = other[1]
    other.given.deadline, other.given.fail_fast = nil, nil
  end
  return other
end

--- Sees to it that a newer answer is asked for.
---@param self nebula.Front
---@param question nebula.Question
---@return boolean is_asked false: it cannot be
function behind.refresh(self, question)
  local key = question.key
  if self.refreshing[key] then return true end
  local other = copy(question)
  if not other then return false end
  local tenant = rawget(self.resource, "has_tenants") and c.string(lib.nebula_task_tenant_name(engine))
  local task = mail.task(begin, function(task)
    self.refreshing[key] = nil
    if task.failure then
      log.error("%s: an answer that is kept could not be renewed: %s", self.resource.name,
        failures.text_of(task.failure))
    end
  end, self, other, tenant)
  if task then
    self.refreshing[key], self.counts.refreshes = true, self.counts.refreshes + 1
  end
  return task ~= nil
end

return behind
