-- Takes the table of all names. There is no such name.
-- expect: error "unknown name _G"

policy "h050" {
  retry = { on = function()
    return _G.print ~= nil
  end },
}
