-- Loads a module of the engine. There is no such name.
-- expect: error "unknown name require"

policy "h035" {
  retry = { on = function()
    return require "nebula.c" ~= nil
  end },
}
