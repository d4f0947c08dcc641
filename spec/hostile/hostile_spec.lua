-- A hundred policies that somebody hostile wrote (hostile.lua says how they say what they are): each alone beside an innocent one,
-- all of them together, and in a process that may do nothing but compute.

local clock = require "spec.support.clock"
local ffi = require "ffi"
local hostile = require "spec.hostile.hostile"
local process = require "spec.support.process"
local seal = require "spec.support.seal"
local tmp = require "spec.support.tmp"

ffi.cdef [[
int setenv(const char *name, const char *value, int overwrite);
struct spec_mallinfo { size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost; };
struct spec_mallinfo mallinfo2(void);
]]

local HELD = process.is_slow and 12000 or 4000       -- us; the bound is 2,000, and then the garbage is collected
local READ = process.is_slow and 6000000 or 1500000  -- us; the bound is half a second, the rest is ours
local ROUNDS = 5                                     -- three strikes, and two more
local FILES = hostile.files()

ffi.C.setenv("HOSTILE_SECRET", hostile.SECRET, 1)

-- What is told is one line of plain letters, and no secret.
local function is_clean(line)
  return line:find "^[\32-\126]*$" ~= nil and not line:find(hostile.SECRET, 1, true)
end

local function read(files)
  local folder, begun = hostile.folder(files), clock.worked()
  local set, lines = hostile.read(folder)
  local took = clock.worked() - begun
  assert.is_true(took < READ, ("reading took %d us"):format(took))
  return set, lines
end

local function check_refused(file, lines)
  local text = table.concat(lines, "\n")
  assert.is_true(hostile.is_expected(file.expected[1], "refused", text), text)
  for _, line in ipairs(lines) do
    assert.equal("policies/" .. file.name, line:match "^[^:]*")
    assert.is_true(is_clean(line), line)
  end
end

local function check_innocent(generation, round)
  local answer, said = hostile.ask(generation, 1, round)
  assert.equal(tostring(round % 3 ~= 0), answer, said)
end

-- Asks one function: what is expected, until it is set aside, and then nothing.
local function check_function(generation, file, at, round)
  local one, strikes = generation.functions[at + 1], generation.strikes[at] or 0
  local what, said, took = hostile.ask(generation, one.number, round)
  if strikes == 3 then
    assert.same({ "nothing" }, { what, said })
    return
  end
  assert.is_true(hostile.is_expected(hostile.expected(file, at), what, said), what .. " " .. tostring(said))
  assert.is_true(said == nil or said:find("policies/" .. file.name, 1, true) ~= nil and is_clean(said), said)
  generation.strikes[at] = strikes + (said and 1 or 0)
  generation.least[at] = math.min(generation.least[at] or math.huge, took)
end

local function is_asked(file)
  local what = file.expected[1][1].what
  return what ~= "refused" and what ~= "unasked"
end

local function check_asked(generation, file)
  assert.is_true(is_asked(file) and #generation.functions > 1, "it was taken for harmless")
  generation.strikes, generation.least = {}, {}
  assert.equal(hostile.innocent.name, generation.functions[1].file)
  for round = 1, ROUNDS do
    for at = 1, #generation.functions - 1 do
      check_innocent(generation, round)
      check_function(generation, file, at, round)
      check_innocent(generation, round)
    end
  end
  for at, least in ipairs(generation.least) do -- what is slow is slow each time; a busy machine is not
    assert.is_true(least < HELD, ("function %d held the worker for %d us"):format(at, least))
  end
end

describe("a hostile policy", function()
  for _, file in ipairs(FILES) do
    it(("gets nowhere: %s: %s"):format(file.name, file.what), function()
      local set, lines = read { hostile.innocent, file }
      if not set then
        check_refused(file, lines)
        return
      end
      local generation, why = hostile.open(set)
      if not generation then
        assert.is_true(hostile.is_expected(file.expected[1], "unasked", why), why)
        assert.is_true(is_clean(why), why)
        return
      end
      check_asked(generation, file)
      generation.asked:close()
    end)
  end
end)

-- Those that are accepted, in one folder, which are asked without end.
local function open_all()
  local list, by_name = { hostile.innocent }, {}
  for _, file in ipairs(FILES) do
    if is_asked(file) then
      list[#list + 1], by_name[file.name] = file, file
    end
  end
  local set, lines = hostile.read(hostile.folder(list))
  local generation = assert(hostile.open(assert(set, lines[1]), { strikes = 1000000 }))
  local last, at = nil, 0
  for _, one in ipairs(generation.functions) do
    at = one.file == last and at + 1 or 1
    last, one.at, one.policy = one.file, at, by_name[one.file]
  end
  return generation
end

local function ask_all(generation, rounds)
  local most = 0
  for round = 1, rounds do
    for _, one in ipairs(generation.functions) do
      if one.policy then
        local what, said = hostile.ask(generation, one.number, round)
        assert.is_true(hostile.is_expected(hostile.expected(one.policy, one.at), what, said), one.file .. " " .. what)
        check_innocent(generation, round)
      end
    end
    most = math.max(most, generation.asked:memory())
  end
  return most
end

describe("all of them together", function()
  it("do what they do alone, and an innocent one beside them answers as ever", function()
    local generation = open_all()
    ask_all(generation, 2)
    generation.asked:close()
  end)

  it("leave no memory behind", function()
    local generation, used = open_all(), {}
    local first = ask_all(generation, 2)
    local later = ask_all(generation, 4)
    assert.is_true(later < first * 1.2, ("%d bytes, then %d"):format(first, later))
    generation.asked:close()
    for i = 1, 3 do
      local another = open_all()
      ask_all(another, 1)
      another.asked:close()
      another.asked, another.told = nil, nil
      collectgarbage()
      collectgarbage()
      used[i] = tonumber(ffi.C.mallinfo2().uordblks)
    end
    assert.is_true(used[3] < used[2] + 100000, table.concat(used, " "))
  end)
end)

describe("a process that may only compute", function()
  local folder

  before_each(function()
    folder = tmp.folder()
    tmp.write(folder, "canary", "alive")
  end)

  local function run(...)
    local ended = process.run { process.program "nebula-lua", "spec/hostile/sealed.lua", folder, ..., within = 60000 }
    assert.equal("alive", tmp.read(folder .. "/canary"))
    return ended
  end

  it("reads and asks all of them", function()
    if process.is_sanitized then return pending "a sanitizer makes calls of its own" end
    local ended = run "hostile"
    assert.same({ code = 0 }, { code = ended.code, signal = ended.signal }, ended.output .. ended.errors)
    assert.equal(("sealed\nread %d, asked %d\n"):format(#FILES, ended.output:match "asked (%d+)"), ended.output)
    assert.is_true(tonumber(ended.output:match "asked (%d+)") >= 80, ended.output)
  end)

  for _, way in ipairs { "open", "process", "socket", "write", "executable" } do
    it("is killed by what is more: " .. way, function()
      if process.is_sanitized then return pending "a sanitizer makes calls of its own" end
      local ended = run(way)
      assert.same({ signal = seal.SIGSYS, output = "sealed\n" }, { signal = ended.signal, output = ended.output }, ended.errors)
    end)
  end
end)

describe("the files", function()
  -- What is left without comments, room and its own name.
  local function form(text)
    text = text:gsub("%-%-[^\n]*", ""):gsub("%s+", " "):gsub("h%d%d%d", "")
    return text
  end

  it("are a hundred", function()
    assert.equal(100, #FILES)
    for i, file in ipairs(FILES) do
      assert.equal(i, tonumber(file.name:match "^%d+"))
    end
  end)

  it("attack each something else", function()
    local seen = {}
    for _, file in ipairs(FILES) do
      for _, key in ipairs { file.what, form(file.text), file.name:match "%-(.*)" } do
        assert.is_nil(seen[key], file.name .. " is like " .. tostring(seen[key]))
        seen[key] = file.name
      end
    end
  end)
end)
