-- Sets a name that is a table, so that the error tells where in memory it lies. The error tells that it is a table.
-- expect: error "table cannot be set"

policy "h057" {
  retry = { on = function()
    string[{}] = 1
    return true
  end },
}
