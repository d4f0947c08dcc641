-- holder.lua FILE ROLE JOURNAL WORDS... - another process that runs statements on a SQLite file, says "held", and keeps
-- what it has.
local declared = require "spec.kinds.declared"

local other = declared.use(('sqlite "other" { file = %q, journal = %q }'):format(arg[1], arg[3]))
local lease = assert(other:lease { role = arg[2], deadline = "10s" })
for i = 4, #arg do assert(lease:query({ deadline = "10s" }, arg[i])) end
io.write "held\n"
io.flush()
sleep "10m"
