-- Gives a secret to settings whose values are told when they are wrong. What comes from env() is not repeated.
-- expect: refused "h084.call.deadline: expected a time"

policy "h084" { call = { deadline = env "HOSTILE_SECRET" } }
