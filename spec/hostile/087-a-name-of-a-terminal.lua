-- A policy whose name clears the terminal. It is no name, and is not shown.
-- expect: refused "?: a name begins with a letter"

policy "\27[2J\27]0;owned\7" {}
