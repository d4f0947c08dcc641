-- An escape for a letter beyond the last. It is refused, and not shown.
-- expect: refused "invalid escape sequence"

policy "h093" { like = "hunter2 \u{110000}" }
