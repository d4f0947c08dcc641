-- Goes on in a coroutine, which has a hook of its own. There is no such name.
-- expect: error "unknown name coroutine"

policy "h049" {
  retry = { on = function()
    return coroutine.wrap(function()
      while true do
      end
    end)()
  end },
}
