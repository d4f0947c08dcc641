-- Makes a value with a finalizer, which would run after the question. There is no such name.
-- expect: error "unknown name newproxy"

policy "h045" {
  retry = { on = function()
    newproxy(true).x = function() while true do end end
    return true
  end },
}
