-- sealed.lua FOLDER WHAT - a child of hostile_spec.lua. It seals itself, and then "hostile": reads all hostile policies and asks
-- what they ask for, in one state for each; else it makes the call of the kernel that is named, of which it dies.

local ffi = require "ffi"
local asked = require "spec.support.asked"
local hostile = require "spec.hostile.hostile"
local judge = require "nebula.judge"
local preludes = require "nebula.declare.preludes"
local question = require "nebula.question"
local seal = require "spec.support.seal"

local folder, what = ...
local files = hostile.files()
local for_judge, for_questions = preludes(hostile.kinds), preludes(hostile.kinds, "kept")

ffi.cdef [[
int fork(void);
int socket(int domain, int type, int protocol);
long write(int fd, const void *bytes, size_t size);
void *mmap(void *address, size_t size, int protection, int flags, int fd, long offset);
]]

local forbidden = {
  open = function() io.open(folder .. "/canary", "w"):write "dead" end,
  process = function() ffi.C.fork() end,
  socket = function() ffi.C.socket(1, 1, 0) end,
  write = function() ffi.C.write(2, "x", 1) end,
  executable = function() ffi.C.mmap(nil, 4096, 7, 0x22, -1, 0) end,
}

local function ask_all()
  local count = 0
  for _, file in ipairs(files) do
    judge.evaluate { preludes = for_judge, sources = { file.text } }
    local q = question.open { preludes = for_questions, sources = { file.text } }
    for at in ipairs(q and q:list() or {}) do
      q:expect(at, asked.yes_or_no)
      for round = 1, 4 do
        q:ask(at, { n = round, code = "lost", text = ("x"):rep(4096), attempt = 2 })
      end
      count = count + 1
    end
    if q then q:close() end
  end
  print(("read %d, asked %d"):format(#files, count))
end

jit.off() -- nothing of ours is compiled: that would want memory that is executable
print "sealed"
io.stdout:flush()
seal.close()
local run = forbidden[what] or ask_all
run()
seal.exit(0)
