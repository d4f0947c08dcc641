-- Opens a file to write. There is no such name.
-- expect: error "unknown name io"

policy "h034" {
  retry = { on = function()
    local file = io.open("canary", "w")
    file:write "dead"
    return true
  end },
}
