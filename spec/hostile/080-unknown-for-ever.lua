-- Asks an unknown name, which answers to everything with itself, for its next one. It is unknown, and has no end.
-- expect: refused "runs for too long"

for one in unheard_of do
  local _ = one
end
