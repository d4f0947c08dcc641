--- cache: what is asked to save time, so waiting for it makes no sense.
--
-- Whoever asks a cache has another way to the answer. It should be told early that the cache does not know.

return policy "cache" {
  like = "standard",

  call = {
    deadline = "250ms", -- beyond this the database behind it would have been as fast
    wait     = "50ms",
    early    = {},      -- who has less time left than it takes goes the other way at once
  },

  retry = {
    tries     = 2,      -- once more covers a connection that had died unnoticed; the rest is a miss
    pause     = "5ms",
    pause_max = "20ms",
    budget    = 0.1,    -- caches go down under load, not before it: add little
  },

  circuit = {
    window    = "2s",    -- time: 32 calls of a cache are a few ms, in which a single hiccup is all there is
    least     = 20,
    slow      = "50ms",  -- one that takes as long as a database serves nobody
    pause     = "500ms", -- the other way is the expensive one: look soon,
    pause_max = "5s",    -- and often
    probe     = "250ms", -- as long as a call may take
  },
}
