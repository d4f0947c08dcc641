-- Jumps past a local, to have one that was never set. The compiler refuses.
-- expect: refused "jumps into the scope of local"

goto inside
local never = policy
::inside::
never = never "h092"
