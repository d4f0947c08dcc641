-- Leaves a note in the names of the mathematics while the file is read, for files that come after. Nothing can be
-- added.
-- expect: refused "nothing can be added to this list"

table.insert(math, "hello")

policy "h053" { retry = { on = function() return math[1] == "hello" end } }
