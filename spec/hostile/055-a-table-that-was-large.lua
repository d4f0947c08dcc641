-- Makes a shared table large and empty again, which another policy sees by the order of what it adds. Neither may
-- add.
-- expect: error "nothing can be added to what a function holds on to"

local shared = {}

policy "h055" {
  retry = { on = function(e)
    for i = 1, e.code == "lost" and 200 or 1 do
      shared["k" .. i] = true
    end
    for key in pairs(shared) do
      shared[key] = nil
    end
    return true
  end },
}

policy "h055.reader" {
  retry = { on = function()
    local order = ""
    for i = 1, 12 do
      shared["z" .. i] = true
    end
    for key in pairs(shared) do
      order = order .. key
      shared[key] = nil
    end
    return order == "z12z1z2z3z4z5z6z7z8z9z10z11"
  end },
}
