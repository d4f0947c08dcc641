-- A frontier of a long set, tried at each place. Sets are walked in steps.
-- expect: steps

policy "h005" {
  retry = { on = function()
    return ("a"):rep(4000):find("%f[" .. ("b"):rep(500) .. "]") ~= nil
  end },
}
