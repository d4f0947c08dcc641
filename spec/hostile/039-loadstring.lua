-- Compiles bytecode that was made by hand. There is no such name.
-- expect: error "unknown name loadstring"

policy "h039" {
  retry = { on = function()
    return loadstring "\27LJ\2\0" ()
  end },
}
