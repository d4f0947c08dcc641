-- Gives load() a reader that never ends. There is no such name.
-- expect: error "unknown name load"

policy "h040" {
  retry = { on = function()
    return load(function() return "x = 1 " end)
  end },
}
