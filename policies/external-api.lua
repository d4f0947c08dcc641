--- external-api: services of somebody else, on the other side of the internet.
--
-- They are slower than ours, fail more often, and recover by themselves within seconds.

return policy "external-api" {
  like = "standard",

  call = {
    deadline = "10s",   -- several round trips of a far service (a second is common) and two retries
    wait     = "1s",
  },

  retry = {
    tries     = 4,
    pause     = "200ms", -- a far round trip; sooner would meet the same state
    pause_max = "5s",
    budget    = 0.1,     -- their limits count our retries too
  },
}
