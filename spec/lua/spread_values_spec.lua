-- for_each over workers: what items, results and errors may be is the same whatever their number. limit: 300 s

local many = require "spec.support.many"
local program = require "spec.support.program"

local ended, says = program.ended, program.says

local run, prints = many.counting, many.prints

describe("for_each with workers = true", function()
  it("refuses the same whatever the number of workers, and loses no error of an item", function()
    local expected = {
      { "raised", "item 1: a userdata, which belongs to its worker" },
      { "raised", "item 1: a coroutine, which belongs to its worker" },
      { "limit", "item 1: it takes at least 8000002 bytes, and 7999900 is the most" },
      { "raised", "result 1: a coroutine, which belongs to its worker" },
      { "limit", "result 1: it takes at least 8000002 bytes, and 7999900 is the most" },
      { "raised", "it takes at least 8000" },
      { "raised", "it takes at least 8000" },
      { "7999800", "" },
    }
    for _, workers in ipairs { 1, 2 } do
      local ran, line = ended(0, run(workers, [[
        local long = ("x"):rep(8e6)
        local function try(item, fn)
          local ok, result, err = pcall(for_each, { item }, { workers = true }, fn)
          print(not ok and "raised" or err and err.code or #result[1], not ok and result or err)
        end
        try(io.stdout, function() return 1 end)
        try(coroutine.create(print), function() return 1 end)
        try(long, function() return 1 end)
        try(1, function() return coroutine.create(print) end)
        try(1, function() return ("x"):rep(8e6) end)
        try(1, function() return nil, { ("x"):rep(8e6) } end)
        try(1, function() return nil, ("x"):rep(8e6) end)
        try(long:sub(201), function(item) return item end)
      ]])), 0
      for how, what in ran.output:gmatch "(%w+)\t([^\n]*)\n" do
        line = line + 1
        assert.equal(expected[line][1], how)
        says(expected[line][2], what)
      end
      assert.equal(#expected, line)
    end
  end)

  it("takes items and results that are too much for one deal", function()
    prints("1024\t15360000\ttrue\n", [[
      local list, sum, is_whole = numbers(1024), 0, true
      for i = 1, 64 do list[i] = ("x"):rep(240000) end -- of which 64 are dealt at a time
      local sizes = for_each(list, { workers = true, parallel = 1 }, function(item) return #tostring(item) end)
      for i = 1, 64 do sum = sum + sizes[i] end
      local back = for_each(numbers(1024), { workers = true, parallel = 1 }, function(i)
        return i % 16 > 0 and ("%d "):format(i):rep(i <= 64 and 60000 or 1) or nil
      end)
      for i = 1, 1024 do
        is_whole = is_whole and (i % 16 == 0 and back[i] == nil or back[i]:match "^%d+" == tostring(i))
      end
      print(#sizes, sum, is_whole)
    ]])
  end)
end)
