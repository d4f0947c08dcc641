-- Keeps the table of its question for the next one. That is a change as any other.
-- expect: changed

local kept

policy "h056" {
  retry = { on = function(e)
    local was = kept
    kept = e
    return was == nil
  end },
}
