-- helper.lua - what busted does around every file of specs: at the end nothing is left behind.
local busted = require "busted"
local ending = require "spec.support.ending"

busted.subscribe({ "suite", "end" }, function()
  ending.run()
  return nil, true
end)
