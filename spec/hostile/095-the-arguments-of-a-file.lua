-- Takes what the file was called with, where a prelude gets the table of all that is trusted. It gets nothing.
-- expect: true

local count, room = select("#", ...), ...

policy "h095" { retry = { on = function() return count == 0 and room == nil end } }
