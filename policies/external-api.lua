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

  circuit = {
    window       = "30s", -- time: calls come in bursts, and what was an hour ago says nothing of now
    least        = 20,
    slow         = "5s",  -- half of the deadline: who answers so late is about not to
    slow_percent = 80,
    pause        = "5s",  -- they recover within seconds, by themselves
    pause_max    = "1m",
    probes       = 3,     -- behind one address there are many machines, and one of them is well first
    probe        = "10s",
  },

  -- Say their quota as limit = { rate = "100/m" }: it is in their contract, and each has another.
  limit = {
    concurrent = 32, -- nobody is glad of more from one client
    queue      = 64, -- twice as many are served within the wait when a call takes a quarter of a second
  },
}
