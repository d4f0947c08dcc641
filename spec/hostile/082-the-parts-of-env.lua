-- Changes the parts of an env() value, so that whoever resolves it falls over. They cannot be seen.
-- expect: refused "an env() value is not known yet"

local value = env "HOSTILE_SECRET"
value.parts[1].name = {}

policy "h082" { like = value }
