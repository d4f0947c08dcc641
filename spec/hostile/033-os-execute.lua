-- Runs a command while the file is read, which leaves a file behind. There is no such name.
-- expect: refused "unknown name "os""

os.execute "touch canary"
local _ = os.getenv "HOSTILE_SECRET"
