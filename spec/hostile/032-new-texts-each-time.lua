-- 2,000 short texts each time that nobody knew, so that the table of all texts must grow. It is no piece of who comes
-- next.
-- expect: true

policy "h032" {
  retry = { on = function(e)
    for i = 1, 2000 do
      local _ = e.n * 10000 + i .. "k"
    end
    return true
  end },
}
