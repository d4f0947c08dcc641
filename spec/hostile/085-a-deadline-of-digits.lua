-- A time of 60,000 digits, of which a pattern would try each piece: once 34 s. It is too long for a time.
-- expect: refused "expected a time with its unit"

policy "h085" { call = { deadline = ("1"):rep(60000) } }
