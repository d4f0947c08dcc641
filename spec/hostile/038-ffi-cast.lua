-- Reads memory at an address. There is no such name.
-- expect: error "unknown name ffi"

policy "h038" {
  retry = { on = function()
    return ffi.cast("int *", 0)[0] == 0
  end },
}
