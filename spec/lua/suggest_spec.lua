-- What a misspelt name may have meant.
local suggest = require "nebula.suggest"

describe("suggest", function()
  it("finds the name that is meant", function()
    local names = { "port", "pool", "host", "password", "dbname", "sslmode" }
    for word, meant in pairs { prot = "port", prt = "port", poort = "port", port2 = "port", hsot = "host",
      passwrod = "password", Password = "password", dbnmae = "dbname", sslmod = "sslmode" } do
      assert.equal(('; did you mean "%s"?'):format(meant), suggest(word, names))
    end
  end)

  it("lists them when none is near and they are few", function()
    assert.equal("; known: a1, b1", suggest("something", { "b1", "a1" }))
    assert.equal("; known: a1, b1", suggest(5, { "b1", "a1" }))
  end)

  it("is silent when it cannot help", function()
    local many = {}
    for i = 1, 13 do
      many[i] = "name_number_" .. i
    end
    assert.equal("", suggest("x", many))
    assert.equal("", suggest("x", {}))
    assert.equal("", suggest(("x"):rep(65), many))
  end)
end)
