-- A numeric loop that never comes nearer to its end. It is counted as any other.
-- expect: steps

policy "h003" {
  retry = { on = function()
    for _ = 1, 2, 0 do
    end
  end },
}
