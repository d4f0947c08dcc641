-- Raises numbers of C to powers for ever. Each result is memory, and each power some steps of C at most.
-- expect: memory or time

policy "h077" {
  retry = { on = function()
    while true do
      local _ = 3LL ^ 9223372036854775807LL
    end
  end },
}
