-- A function that holds on to 1,200 values, all of which would be compared after each question. They are too many.
-- expect: unasked "holds on to more than 1000 values"

local values = {}
for i = 1, 600 do
  values[i] = i
end

policy "h089" { retry = { on = function(e) return values[e.n] ~= nil end } }
