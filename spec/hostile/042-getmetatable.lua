-- Takes the methods of texts to change them for all. There is no such name.
-- expect: error "unknown name getmetatable"

policy "h042" {
  retry = { on = function()
    getmetatable("").__index.rep = nil
    return true
  end },
}
