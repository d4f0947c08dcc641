--- batch: work that nobody waits for: imports, reports, nightly runs.
--
-- It may take long and may queue for long, but it gives way: few retries at once, long pauses.

return policy "batch" {
  like = "standard",

  call = {
    deadline = "10m", -- an aggregate over a large table; far above it something is stuck
    wait     = "1m",  -- others come first
  },

  retry = {
    tries     = 6,    -- with these pauses about a minute: a restart of the server does not end the run
    pause     = "1s",
    pause_max = "30s",
    budget    = 0.1,  -- the load that retries add is load on those who do wait
  },

  -- A call that is refused is not tried again, and would end the run that the pauses above are to save: so the circuit
  -- tells in the log what it would do, and lets calls through.
  circuit = {
    mode = "metrics",
  },
}
