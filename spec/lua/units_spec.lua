local units = require "nebula.units"

describe("units", function()
  it("read durations as microseconds", function()
    for text, us in pairs {
      ["0s"] = 0, ["7us"] = 7, ["250ms"] = 250e3, ["1.5s"] = 1.5e6, ["10 m"] = 600e6, ["1h"] = 3600e6, ["2d"] = 172800e6,
      ["0.1s"] = 1e5, ["0.000001s"] = 1,
    } do
      assert.equal(us, units.duration(text), text)
    end
  end)

  it("refuse what is no duration, without repeating it", function()
    for _, text in ipairs { "", "5", "s", "5 parsecs", "-5s", "1e3s", "5s ", " 5s", "1h30m", "5S", "0x5s", "hunter2" } do
      local us, why = units.duration(text)
      assert.is_nil(us, text)
      assert.matches("^expected a time with its unit", why)
    end
    for _, value in ipairs { 5, 0, true, {} } do
      assert.is_nil((units.duration(value)))
    end
    assert.is_nil((units.duration(nil)))
  end)

  it("refuse what they cannot count", function()
    assert.matches("too large", select(2, units.duration(("9"):rep(40) .. "h")))
    assert.matches("too large", select(2, units.duration("200000d")))
    assert.matches("finer", select(2, units.duration("0.5us")))
    assert.matches("finer", select(2, units.size("1.5B")))
  end)

  it("read sizes as bytes: kB is 1000, KiB 1024", function()
    for text, bytes in pairs { ["0B"] = 0, ["1kB"] = 1000, ["1KiB"] = 1024, ["64MB"] = 64e6, ["1.5GiB"] = 1610612736 } do
      assert.equal(bytes, units.size(text), text)
    end
    for _, text in ipairs { "64", "64M", "64mb", "MB" } do
      assert.is_nil((units.size(text)), text)
    end
  end)

  it("read rates as a number a second", function()
    assert.equal(200, units.rate("200/s"))
    assert.equal(1.5, units.rate("90/m"))
    assert.equal(0.5, units.rate("1800/h"))
    for _, text in ipairs { "200", "/s", "200/", "200/x", "-1/s", "200 /s" } do
      assert.is_nil((units.rate(text)), text)
    end
    assert.is_nil((units.rate(200)))
  end)

  it("read rates as they are written, in whole numbers", function()
    for text, pair in pairs { ["200/s"] = { 200, 1e6 }, ["90/m"] = { 90, 60e6 }, ["7/d"] = { 7, 86400e6 },
      ["0.5/s"] = { 1, 2e6 }, ["12.5/h"] = { 25, 7200e6 }, ["2.0/s"] = { 2, 1e6 }, ["1000/s"] = { 1000, 1e6 },
      ["00003.14/s"] = { 157, 50e6 } } do
      assert.same(pair, { units.pace(text) }, text)
    end
    for _, text in ipairs { "200", "/s", ".5/s", "200/", "200/x", "-1/s", "200 /s", "1e3/s", ("9"):rep(16) .. "/s" } do
      assert.matches("^expected a rate", select(2, units.pace(text)))
    end
    assert.matches("nothing would go", select(2, units.pace "0.00/s"))
    assert.is_nil((units.pace(200)))
    assert.is_nil((units.pace(nil)))
  end)

  it("are shown as people write them, and read back", function()
    for us, text in pairs { [0] = "0s", [500e3] = "500ms", [90e6] = "90s", [3600e6] = "1h", [172800e6] = "2d", [7] = "7us" } do
      assert.equal(text, units.show_duration(us))
      assert.equal(us, units.duration(text))
    end
    for bytes, text in pairs { [0] = "0B", [64e6] = "64MB", [1024] = "1024B", [2000] = "2kB" } do
      assert.equal(text, units.show_size(bytes))
      assert.equal(bytes, units.size(text))
    end
  end)
end)
