--- cache: what is asked to save time, so waiting for it makes no sense.
--
-- Whoever asks a cache has another way to the answer. It should be told early that the cache does not know.

return policy "cache" {
  like = "standard",

  call = {
    deadline = "250ms", -- beyond this the database behind it would have been as fast
    wait     = "50ms",
  },

  retry = {
    tries     = 2,      -- once more covers a connection that had died unnoticed; the rest is a miss
    pause     = "5ms",
    pause_max = "20ms",
    budget    = 0.1,    -- caches go down under load, not before it: add little
  },
}
