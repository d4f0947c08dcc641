-- 10,000 signs of percent, behind each of which format() once looked for a %p up to the end: 0.9 s in one step.
-- expect: error "invalid option"

policy "h008" {
  retry = { on = function()
    return string.format(("%1"):rep(10000)) ~= ""
  end },
}
