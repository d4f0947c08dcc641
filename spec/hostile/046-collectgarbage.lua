-- Watches the collector, to learn what others do. There is no such name.
-- expect: error "unknown name collectgarbage"

policy "h046" {
  retry = { on = function()
    return collectgarbage "count" > 0
  end },
}
