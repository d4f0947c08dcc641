-- Sets a name past the metatable that forbids it. There is no such name.
-- expect: error "unknown name rawset"

policy "h044" {
  retry = { on = function()
    rawset(string, "rep", false)
    return true
  end },
}
