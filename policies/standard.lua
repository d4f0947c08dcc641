--- standard: what a resource gets when it asks for nothing.
--
-- Tuned for a database or a service in the same region, called while somebody waits. Start from here and say only
-- what differs:
--
--   return policy "reports" { like = "standard", call = { deadline = "5m" } }
--
-- A policy is data. Everything in it is for the resource as a whole, in the whole process.

return policy "standard" {
  call = {
    deadline = "5s",    -- longer than nearly every statement, shorter than the patience of who waits for the page
    wait     = "500ms", -- a full pool that frees nothing for half a second is overloaded: say so while it helps
  },

  retry = {
    tries        = 3,      -- one restart of a server is survived by the second; a fourth only adds load
    pause        = "50ms", -- about what a fail-over of a connection takes; doubles, a random part of it is waited
    pause_max    = "2s",   -- a longer one would eat the deadline
    budget       = 0.2,    -- a sick server gets at most a fifth more calls than a healthy one
    budget_least = 3,      -- but a quiet resource may retry: a fifth of two calls would be none
    on           = "safe", -- only what is idempotent, or proven not applied
  },

  circuit = {
    window    = 32,    -- calls, not time: it says as much of a quiet resource as of a busy one
    least     = 8,     -- two failures of three say nothing yet
    percent   = 50,    -- a server that fails less often is one for retries; of one that fails more, each call is a wait
    pause     = "1s",  -- most hiccups are over by then, and doubles each time it opens again
    pause_max = "30s", -- who comes back after a long time is noticed within half a minute
    probes    = 2,     -- one that goes well may be luck
    probe     = "5s",  -- as long as a call may take
  },
}
