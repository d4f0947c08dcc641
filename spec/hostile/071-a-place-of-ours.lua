-- Raises an error as if a prelude had. Only the text is left.
-- expect: error "fails: trust me"

policy "h071" {
  retry = { on = function()
    error("lua/nebula/declare/prelude.lua:1: trust me", 0)
  end },
}
