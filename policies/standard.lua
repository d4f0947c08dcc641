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
}
