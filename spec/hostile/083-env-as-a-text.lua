-- Has the value of a secret made text, to put it into a name. It is not known while the file is read.
-- expect: refused "an env() value is not known yet"

policy(tostring(env "HOSTILE_SECRET")) {}
