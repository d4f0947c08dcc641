-- Takes the registry, in which the trusted functions are. There is no such name.
-- expect: error "unknown name debug"

policy "h036" {
  retry = { on = function()
    return debug.getregistry()[2] ~= nil
  end },
}
