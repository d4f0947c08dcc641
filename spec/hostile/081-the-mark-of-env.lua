-- Walks through what env() gives, to find the mark by which values are told from data. It is not looked into.
-- expect: refused "an env() value is not known yet"

local mark
for key in pairs(env "HOSTILE_SECRET") do
  mark = key
end

policy "h081" { like = { [mark] = "function", line = {} } }
