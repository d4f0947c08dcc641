-- A capture that is compared with what follows it, at all lengths. Each comparison is a step or more.
-- expect: steps

policy "h006" {
  retry = { on = function()
    return ("a"):rep(4000):find "^(a*)%1b" ~= nil
  end },
}
