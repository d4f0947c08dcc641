-- 400 policies with long names, each like one that is misspelt, which would be compared with all: once 40 s. Few are
-- compared.
-- expect: refused "there is no policy"

local tail = ("x"):rep(50)
for i = 1, 400 do
  policy("h097." .. i .. tail) { like = "h097-" .. i .. tail }
end
