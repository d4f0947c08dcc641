-- 10,000 policies, each like the next one, which overflowed the stack of whoever followed them. The line may not be
-- so long.
-- expect: refused "is like more than 99 others"

for i = 1, 10000 do
  policy("h098." .. i) { like = "h098." .. i + 1 }
end
policy "h098.10001" {}
