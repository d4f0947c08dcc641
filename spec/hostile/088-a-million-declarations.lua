-- Declares until there is no more room. There is a bound on how many.
-- expect: refused "a folder declares at most"

for i = 1, 1e6 do
  policy("h088." .. i)
end
