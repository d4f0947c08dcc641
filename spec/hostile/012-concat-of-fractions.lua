-- Has 262,144 fractions written by each concat(), for ever: once a quarter of a second in one step. They are written
-- one by one.
-- expect: refused "runs for too long"

local list, concat = {}, table.concat
for i = 1, 2 ^ 18 do
  list[i] = 1.1e-308
end
while true do
  concat(list)
end
