-- process.lua - the children of a spec: started, spoken to, waited for, and none left behind.
--
-- Nothing here blocks for longer than a moment, so an engine in the same process goes on. The ways of a child are
-- pipes that are read without waiting; within is always in ms.
local ffi = require "ffi"
local clock = require "spec.support.clock"
local ending = require "spec.support.ending"
local unserved = require "spec.support.unserved"

ffi.cdef [[
typedef struct { uint64_t room[64]; } spec_spawn;
extern char **environ;
int posix_spawnp(int *pid, const char *file, const spec_spawn *actions, const spec_spawn *attributes,
                 const char *const *argv, const char *const *envp);
int posix_spawn_file_actions_init(spec_spawn *a);
int posix_spawn_file_actions_destroy(spec_spawn *a);
int posix_spawn_file_actions_adddup2(spec_spawn *a, int from, int to);
int posix_spawn_file_actions_addopen(spec_spawn *a, int fd, const char *path, int flags, unsigned mode);
int posix_spawn_file_actions_addchdir_np(spec_spawn *a, const char *path);
int posix_spawnattr_init(spec_spawn *a);
int posix_spawnattr_destroy(spec_spawn *a);
int posix_spawnattr_setflags(spec_spawn *a, short flags);
int posix_spawnattr_setsigmask(spec_spawn *a, const spec_spawn *set);
int posix_spawnattr_setsigdefault(spec_spawn *a, const spec_spawn *set);
int sigemptyset(spec_spawn *set);
int sigfillset(spec_spawn *set);
int pipe2(int fd[2], int flags);
int fcntl(int fd, int command, ...);
int close(int fd);
int kill(int pid, int signal);
int waitpid(int pid, int *status, int options);
long read(int fd, void *bytes, size_t size);
long write(int fd, const void *bytes, size_t size);
char *strerror(int code);
]]

local C = ffi.C
local CLOEXEC, NONBLOCK, CREATE_TO_APPEND, READ_WRITE = 0x80000, 0x800, 0x441, 2
local SET_FLAGS, WNOHANG, EAGAIN, ECHILD = 4, 1, 11, 10
local SET_DEFAULTS_AND_MASK = 0x04 + 0x08
local SIGNALS = { HUP = 1, INT = 2, QUIT = 3, ABRT = 6, KILL = 9, USR1 = 10, TERM = 15, CONT = 18, STOP = 19 }

---@class spec.child
---@field pid integer
---@field ended? { code?: integer, signal?: integer } once it was waited for
local child = {}
child.__index = child

local process = {}
local running = {}
local PATIENCE = 10000
local build = os.getenv "NEBULA_BUILD" or "build"

process.is_sanitized = build:find "[at]san" ~= nil
process.is_slow = process.is_sanitized or build:find "coverage" ~= nil -- as a program, not in what it waits for

---The path of a program of the build that the specs run in: process.program "nebula".
function process.program(name)
  return build .. "/" .. name
end

local function must(what, code)
  if code ~= 0 then error(("%s: %s"):format(what, ffi.string(C.strerror(code < 0 and ffi.errno() or code))), 3) end
end

local function strings(list)
  local array = ffi.new("const char *[?]", #list + 1)
  for i, text in ipairs(list) do array[i - 1] = text end
  return array
end

local function environment(changes)
  local list = {}
  local i = 0
  while C.environ[i] ~= nil do
    local row = ffi.string(C.environ[i])
    if (changes or {})[row:match "^[^=]*"] == nil then list[#list + 1] = row end
    i = i + 1
  end
  for name, value in pairs(changes or {}) do
    if value then list[#list + 1] = name .. "=" .. value end
  end
  return list
end

-- A pipe whose end for us does not wait: the child's end, ours.
local function pipe(ours)
  local fd = ffi.new "int[2]"
  must("pipe", C.pipe2(fd, CLOEXEC))
  C.fcntl(fd[ours], SET_FLAGS, ffi.cast("int", NONBLOCK))
  return fd[1 - ours], fd[ours]
end

-- Where the child's descriptor goes: a pipe to us, a file at whose end it writes, or nowhere.
local function connect(actions, way, fd, ours)
  if way == "pipe" then
    local theirs, mine = pipe(ours)
    must("dup2", C.posix_spawn_file_actions_adddup2(actions, theirs, fd))
    return mine, theirs
  elseif way == "output" then
    must("dup2", C.posix_spawn_file_actions_adddup2(actions, 1, fd))
  elseif way then
    must("open", C.posix_spawn_file_actions_addopen(actions, fd, way, CREATE_TO_APPEND, tonumber("644", 8)))
  else
    must("open", C.posix_spawn_file_actions_addopen(actions, fd, "/dev/null", READ_WRITE, 0))
  end
end

-- The host may block or ignore signals; a child begins without that.
local function plain_signals(attributes)
  local none, all = ffi.new "spec_spawn", ffi.new "spec_spawn"
  C.sigemptyset(none)
  C.sigfillset(all)
  C.posix_spawnattr_setsigmask(attributes, none)
  C.posix_spawnattr_setsigdefault(attributes, all)
  C.posix_spawnattr_setflags(attributes, SET_DEFAULTS_AND_MASK)
end

---Starts a program: { "name", "argument", ..., input = , output = , errors = , env = , folder = }.
---input is "pipe" or nil (nothing to read); output and errors are "pipe" (the default), a path that is appended to,
---or false; errors may be "output". env adds variables, false takes one away.
---@param spec table
---@return spec.child
function process.start(spec)
  if #spec == 0 then error("which program?", 2) end
  local actions, attributes = ffi.new "spec_spawn", ffi.new "spec_spawn"
  C.posix_spawn_file_actions_init(actions)
  C.posix_spawnattr_init(attributes)
  plain_signals(attributes)
  local self = setmetatable({ name = spec[1], output = "", errors = "" }, child)
  local theirs = {}
  self.input_fd, theirs[0] = connect(actions, spec.input, 0, 1)
  self.output_fd, theirs[1] = connect(actions, spec.output == nil and "pipe" or spec.output, 1, 0)
  self.errors_fd, theirs[2] = connect(actions, spec.errors == nil and "pipe" or spec.errors, 2, 0)
  if spec.folder then must("chdir", C.posix_spawn_file_actions_addchdir_np(actions, spec.folder)) end

  local variables = environment(spec.env)
  local pid = ffi.new "int[1]"
  local code = C.posix_spawnp(pid, spec[1], actions, attributes, strings(spec), strings(variables))
  C.posix_spawn_file_actions_destroy(actions)
  C.posix_spawnattr_destroy(attributes)
  for _, fd in pairs(theirs) do C.close(fd) end
  if code ~= 0 then
    self:close()
    must(spec[1], code)
  end
  self.pid = pid[0]
  running[self] = true
  return self
end

-- Takes what has come in on one way; closes it at its end.
local function drain(self, way)
  local fd = self[way .. "_fd"]
  local buffer = ffi.new "char[65536]"
  while fd do
    local size = tonumber(C.read(fd, buffer, 65536))
    if size > 0 then
      self[way] = self[way] .. ffi.string(buffer, size)
    elseif size == 0 then
      C.close(fd)
      self[way .. "_fd"] = nil
      return
    else
      return
    end
  end
end

---Says something to the child's input.
function child:write(text)
  local at = 0
  while at < #text do
    local rest = text:sub(at + 1)
    local size = tonumber(C.write(self.input_fd, rest, #rest))
    if size < 0 and ffi.errno() ~= EAGAIN then return nil, ffi.string(C.strerror(ffi.errno())) end
    if size < 0 then clock.pause(1) else at = at + size end
  end
  return true
end

function child:close_input()
  if self.input_fd then C.close(self.input_fd) end
  self.input_fd = nil
end

-- What comes about in time, in which those moments are not counted in which its threads could have run and others had
-- the processor; but a tenth of all time is: one that computes for ever would have its way on a machine that is busy.
local function in_its_time(self, fact, within)
  local left, before = within or PATIENCE, unserved.process(self.pid)
  local answer = clock.wait(fact, left)
  while not answer and left > 1 do
    local now = unserved.process(self.pid)
    left, before = math.max(0, math.min(now - before, left * 0.9)), now
    answer = clock.wait(fact, left)
  end
  return answer
end

---The next line of its output, without the newline; nil when none came in time or no more will come.
function child:line(within)
  in_its_time(self, function()
    drain(self, "output")
    return self.output:find "\n" or not self.output_fd
  end, within)
  local line, rest = self.output:match "^([^\n]*)\n(.*)$"
  if line then self.output = rest end
  return line
end

---All that it wrote until now and was not taken yet; does not wait.
---@return string output, string errors
function child:take()
  drain(self, "output")
  drain(self, "errors")
  local output, errors = self.output, self.errors
  self.output, self.errors = "", ""
  return output, errors
end

---@param name string "TERM"
function child:signal(name)
  if not self.ended then C.kill(self.pid, SIGNALS[name] or error("no such signal: " .. name, 2)) end
end

function child:is_running()
  if self.ended then return false end
  drain(self, "output")
  drain(self, "errors")
  local status = ffi.new "int[1]"
  local pid = C.waitpid(self.pid, status, WNOHANG)
  if pid == 0 then return true end
  local signal = pid > 0 and status[0] % 128 or nil
  if pid < 0 and ffi.errno() ~= ECHILD then error(ffi.string(C.strerror(ffi.errno()))) end
  self.ended = signal and signal ~= 0 and { signal = signal } or { code = math.floor(status[0] / 256) % 256 }
  running[self] = nil
  return false
end

---Waits for its end; nil when it still runs after that time.
---@return { code?: integer, signal?: integer }?
function child:wait(within)
  return in_its_time(self, function() return not self:is_running() and self.ended end, within)
end

---Ends it at once, if it has not ended, and closes its ways.
function child:kill()
  self:signal "KILL"
  self:wait()
  self:close()
end

function child:close()
  self:close_input()
  for _, way in ipairs { "output_fd", "errors_fd" } do
    if self[way] then C.close(self[way]) end
    self[way] = nil
  end
end

---Runs a program to its end: as process.start(), with text = what it may read and within = ms (10 s).
---Raises when it does not end in time.
---@return { code?: integer, signal?: integer, output: string, errors: string }
function process.run(spec)
  if spec.text then spec.input = "pipe" end
  local self = process.start(spec)
  if spec.text then self:write(spec.text) end
  self:close_input()
  local ended = self:wait(spec.within)
  local output, errors = self:take()
  self:kill()
  if not ended then error(("%s: still running, said %s%s"):format(self.name, output, errors), 2) end
  return { code = ended.code, signal = ended.signal, output = output, errors = errors }
end

---Sends a signal to a process that is not our child.
function process.signal(pid, name)
  return C.kill(pid, SIGNALS[name]) == 0
end

ending.add(function()
  for self in pairs(running) do self:kill() end
end)

return process
