-- Leaves a note in the table of library names, which all functions share, and reads it in another policy. Nothing can
-- be added.
-- expect: error "nothing can be added to this list" | error "unknown name string.?"

policy "h052" {
  retry = { on = function(e)
    table.insert(string, e.code)
    return true
  end },
}

policy "h052.reader" {
  retry = { on = function()
    return string[1] ~= nil
  end },
}
