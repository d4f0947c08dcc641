-- 15,000 signs of percent, behind each of which format() once looked for a %p up to the end: 2 s in one step.
-- expect: error "invalid option"

policy "h008" {
  retry = { on = function()
    return string.format(("%1"):rep(15000)) ~= ""
  end },
}
