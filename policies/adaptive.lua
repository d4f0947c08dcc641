--- adaptive: a pool that is as large as its load.
--
--   postgres "orders" { ..., pool = { min = 2, max = 50, strategy = "adaptive" } }
--
-- A strategy is a function that says how many connections there may be, again and again. What it answers is rounded up
-- and kept within min and max, for the whole process. It gets plain fields, must not wait, remembers nothing, and is
-- bounded; without an answer the pool stays as large as it is. Begin with this one, and write your own where you know
-- more of your load than it does:
--
--   return strategy "night" { every = "1m", size = function(pool) return pool.in_use + pool.waiting end }

return strategy "adaptive" {
  every = "1s", -- who has to wait for a connection does so for a second more at most

  size = function(pool)
    -- Little's law: so many are in use on average as come in a second, times how long each is held. Taken of the longer
    -- holds, 95 in 100, because who plans for the mean has too few for half of the time; and a quarter more, because
    -- calls do not come evenly.
    local usual = pool.arrivals_per_s * pool.hold_p95_s * 1.25

    -- That is of the last minutes. What is wanted now may be more, and is served at once.
    local now = (pool.in_use + pool.waiting) * 1.25

    return math.max(usual, now)
  end,
}
