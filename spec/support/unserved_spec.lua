local process = require "spec.support.process"
local tmp = require "spec.support.tmp"
local unserved = require "spec.support.unserved"

describe("unserved", function()
  it("is nothing of what is not there, or ends while it is read", function()
    local folder = tmp.folder()
    assert.equal(0, unserved.thread(folder))
    tmp.write(folder, "schedstat/unreadable", "")
    assert.equal(0, unserved.thread(folder))
    local child = process.start { "true" }
    child:wait()
    assert.equal(0, unserved.process(child.pid))
  end)
end)
