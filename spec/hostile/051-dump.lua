-- Writes a function of its own as bytecode, by the methods of texts. Texts have no such method.
-- expect: error "unknown name string.dump"

policy "h051" {
  retry = { on = function()
    return ("x").dump(function() end)
  end },
}
