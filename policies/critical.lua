--- critical: calls whose failure costs more than their delay: payments, orders, sign-in.
--
-- More tries and a longer deadline. Only for the few: when everything is critical, retries are what breaks a server
-- that is coming back.

return policy "critical" {
  like = "standard",

  call = {
    deadline = "15s", -- outlives a fail-over of a database (5 to 10s)
    wait     = "5s",
  },

  retry = {
    tries        = 6,       -- spread over the fail-over by the pauses below
    pause        = "100ms",
    pause_max    = "3s",
    budget       = 0.5,     -- half as many calls again: bearable because the calls are few
    budget_least = 10,
  },

  -- To be refused is the failure that these calls cannot afford, and they are too few to hurt a server in trouble: so
  -- the circuit tells in the log what it would do, and lets them through.
  circuit = {
    mode = "metrics",
  },
}
