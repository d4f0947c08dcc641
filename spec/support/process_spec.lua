local clock = require "spec.support.clock"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"
local unserved = require "spec.support.unserved"

describe("process", function()
  it("hands over arguments, text and variables, and keeps the two outputs apart", function()
    local ran = process.run { "sh", "-c", 'cat; printf "%s %s" "$1" "$WORD" >&2; exit 7', "sh", "a b",
      text = "said\n", env = { WORD = "ünicode" } }
    assert.same({ code = 7, output = "said\n", errors = "a b ünicode" }, ran)
  end)

  it("is unserved for no time when it cannot be read any more", function()
    local folder = tmp.folder()
    tmp.write(folder, "schedstat/none", "") -- can be opened, and not read
    assert.equal(0, unserved.thread(folder))
    assert.equal(0, unserved.thread(folder .. "/schedstat"))
    assert(unserved.thread "/proc/self" >= 0)
  end)

  it("carries more than a pipe holds", function()
    local text = ("x"):rep(300000)
    local cat = process.start { "cat", input = "pipe", output = "pipe" }
    local came = {}
    for _ = 1, 5 do
      cat:write(text:sub(1, 60000))
      came[#came + 1] = (clock.eventually("an answer", function()
        local output = cat:take()
        return output ~= "" and output
      end))
    end
    cat:close_input()
    assert.same({ code = 0 }, cat:wait())
    came[#came + 1] = (cat:take())
    assert.equal(text, table.concat(came))
    cat:close()
  end)

  it("reads lines as they come and tells the end", function()
    local child = process.start { "sh", "-c", "echo one; echo two; printf three" }
    assert.equal("one", child:line())
    assert.equal("two", child:line())
    assert.is_nil(child:line())
    assert.equal("three", (child:take()))
    child:kill()
  end)

  it("tells a signal from a code, and a child that still runs", function()
    local child = process.start { "sleep", "60" }
    assert.is_true(child:is_running())
    assert.is_nil(child:wait(1))
    child:signal "TERM"
    assert.same({ signal = 15 }, child:wait())
    child:kill()
  end)

  it("does not count the time in which others had the processor", function()
    local processor = tmp.read("/proc/self/status"):match "Cpus_allowed_list:%s*(%d+)"
    local busy = { "taskset", "-c", processor, "sh", "-c", "while :; do :; done" }
    local rival = process.start(busy)
    local child = process.start { "prlimit", "--cpu=1:1", unpack(busy) }
    assert.same({ signal = 9 }, child:wait(1500))
    assert.is_nil(rival:wait(10))
    child:kill()
    rival:kill()
  end)

  it("stops and goes on", function()
    local child = process.start { "cat", input = "pipe" }
    child:signal "STOP"
    child:write "word\n"
    assert.is_nil(child:line(20))
    child:signal "CONT"
    assert.equal("word", child:line())
    child:kill()
    assert.same({ signal = 9 }, child.ended)
  end)

  it("says which program is not there", function()
    assert.has_error(function() process.start { "/no/such/program" } end, "/no/such/program: No such file or directory")
  end)

  it("appends to files, in a folder", function()
    local folder = tmp.folder()
    for word in ("one two"):gmatch "%a+" do
      process.run { "sh", "-c", "pwd; echo $0 >&2", word,
        folder = folder, output = folder .. "/log", errors = "output" }
    end
    assert.equal(folder .. "\none\n" .. folder .. "\ntwo\n", tmp.read(folder .. "/log"))
  end)
end)
