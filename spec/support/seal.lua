-- seal.lua - a process that gives up all calls of the kernel but those that a computation needs: memory, locks, clocks,
-- dice (of which a new state of Lua has some), writing to its standard output, and its end. Whoever makes another one is
-- killed by SIGSYS. For a child of a spec.

local ffi = require "ffi"

ffi.cdef [[
struct spec_filter { uint16_t code; uint8_t if_true, if_false; uint32_t k; };
struct spec_program { unsigned short count; struct spec_filter *list; };
int prctl(int option, ...);
void _exit(int status);
]]

local seal = {}

seal.SIGSYS = 31

-- Numbers of calls, by the processor.
local KNOWN = {
  x64 = { arch = 0xC000003E, write = 1, mmap = 9, brk = 12, munmap = 11, mremap = 25, madvise = 28, futex = 202,
    clock_gettime = 228, rt_sigreturn = 15, rt_sigprocmask = 14, exit_group = 231, getrandom = 318 },
  arm64 = { arch = 0xC00000B7, write = 64, mmap = 222, brk = 214, munmap = 215, mremap = 216, madvise = 233, futex = 98,
    clock_gettime = 113, rt_sigreturn = 139, rt_sigprocmask = 135, exit_group = 94, getrandom = 278 },
}
local PLAIN = { "brk", "munmap", "mremap", "madvise", "futex", "clock_gettime", "getrandom", "rt_sigreturn", "rt_sigprocmask",
  "exit_group" }

local LOAD, IF_EQUAL, IF_ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06 -- instructions of the kernel's filters
local ALLOW, KILL = 0x7fff0000, 0x80000000
local NUMBER, ARCH = 0, 4 -- where they lie in what a filter sees
local NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2
local STANDARD_OUTPUT, EXECUTABLE, NO_FILE = 1, 4, 0xffffffff

local function argument(n)
  return 16 + 8 * n -- the lower half
end

local function rules(calls)
  local list = {}
  local function add(code, k, if_true, if_false)
    list[#list + 1] = { code, if_true or 0, if_false or 0, k }
  end
  add(LOAD, ARCH)
  add(IF_EQUAL, calls.arch, 1, 0)
  add(RETURN, KILL)
  add(LOAD, NUMBER)
  for _, name in ipairs(PLAIN) do
    add(IF_EQUAL, calls[name], 0, 1)
    add(RETURN, ALLOW)
  end
  add(IF_EQUAL, calls.write, 0, 4)
  add(LOAD, argument(0))
  add(IF_EQUAL, STANDARD_OUTPUT, 0, 1)
  add(RETURN, ALLOW)
  add(RETURN, KILL)
  add(IF_EQUAL, calls.mmap, 0, 4)
  add(LOAD, argument(2))
  add(IF_ANY_BIT, EXECUTABLE, 2, 0)
  add(LOAD, argument(4))
  add(IF_EQUAL, NO_FILE, 1, 0)
  add(RETURN, KILL)
  add(RETURN, ALLOW)
  return list
end

local function must(what, code)
  if code ~= 0 then error(("the process cannot be sealed: %s: errno %d"):format(what, ffi.errno()), 0) end
end

---From here on. What is to be written must have been written to before: stdio asks for its file first.
function seal.close()
  local list = rules(KNOWN[jit.arch] or error("no numbers of calls are known for " .. jit.arch, 0))
  local filter = ffi.new("struct spec_filter[?]", #list, list)
  local program = ffi.new("struct spec_program", #list, filter)
  local function number(n) return ffi.cast("unsigned long", n) end
  must("no new privileges", ffi.C.prctl(NO_NEW_PRIVILEGES, number(1), number(0), number(0), number(0)))
  must("the filter", ffi.C.prctl(SECCOMP, number(FILTER), program))
end

---Ends the process, without what would be done at its end.
function seal.exit(code)
  io.stdout:flush()
  ffi.C._exit(code)
end

return seal
