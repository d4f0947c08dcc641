-- Returns 1,000 values. The first one counts, and the stack holds no more next time.
-- expect: true

policy "h064" {
  retry = { on = function()
    local list = {}
    for i = 1, 1000 do
      list[i] = true
    end
    return unpack(list)
  end },
}
