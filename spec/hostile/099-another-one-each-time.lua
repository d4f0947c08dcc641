-- Says something else each time it is read, by the order of pairs(), and has the state made anew: once that silenced
-- all others. It alone is left out.
-- expect: changed or lost or nothing | true or lost or nothing

local names, count = {}, 0
for i = 1, 20 do
  names["n" .. i] = true
end

policy "h099" {
  retry = { on = function()
    count = count + 1
    return true
  end },
}

policy("h099." .. next(names)) { retry = { on = function() return true end } }
