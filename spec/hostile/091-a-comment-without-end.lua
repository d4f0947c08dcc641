-- Begins a long comment that takes the rest of the folder with it. It ends with its file, which is refused.
-- expect: refused "unfinished long comment"

policy "h091" {}
--[==[ ]] ]=] --]]
