-- Opens 4,000 brackets and closes none: each is looked for to the end. That is steps.
-- expect: steps

policy "h004" {
  retry = { on = function()
    return ("("):rep(4000):find "%b()" ~= nil
  end },
}
