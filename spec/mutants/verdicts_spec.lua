-- Which verdicts are remembered.
local tmp = require "spec.support.tmp"
local verdicts = require "spec.mutants.verdicts"

local MISTAKES = {
  { from = 1, to = 2, with = "<=" }, { from = 3, to = 4, with = "f(a,\n  b)" }, { from = 5, to = 6, with = "{}" },
}

describe("verdicts", function()
  local path = tmp.folder() .. "/some.verdicts"

  -- Of two specs and all together, by their digests.
  local function open(one, other, all)
    return verdicts.open(path, { digest = all, specs = { { program = "one", digest = one }, { program = "other", digest = other } } })
  end

  local function known(...)
    local self, list = open(...), {}
    for at, mistake in ipairs(MISTAKES) do list[at] = self:of(mistake) or "none" end
    self:close()
    return table.concat(list, " ")
  end

  local function note()
    os.remove(path)
    local self = open("1", "2", "3")
    self:note(MISTAKES[1], "killed", "one")
    self:note(MISTAKES[2], "clock", "other")
    self:note(MISTAKES[3], "survived")
    self:close()
  end

  it("are as they were when nothing has changed", function()
    note()
    assert.equal("killed clock survived", known("1", "2", "3"))
    assert.equal("killed clock survived", known("1", "2", "3"))
  end)

  it("of who was killed go by the spec that found it, and of who lives by all", function()
    note()
    assert.equal("killed none none", known("1", "4", "5"))
    assert.equal("killed none none", known("1", "2", "3"))
    note()
    assert.equal("killed clock none", known("1", "2", "5"))
    assert.equal("none none none", known("6", "6", "6"))
  end)

  it("without an end do not count", function()
    note()
    local text = tmp.read(path)
    local file = assert(io.open(path, "wb"))
    file:write(text:sub(1, -2))
    file:close()
    assert.equal("killed clock none", known("1", "2", "3"))
  end)
end)
