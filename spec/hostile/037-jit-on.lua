-- Turns the compiler on, so that no hook fires. There is no such name.
-- expect: error "unknown name jit"

policy "h037" {
  retry = { on = function()
    jit.on()
    while true do
    end
  end },
}
