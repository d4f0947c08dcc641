--- database: statements and transactions of a program that serves people.
--
-- A statement that has not answered in seconds is rarely going to; reports and imports want a policy of their own,
-- or a longer deadline for the one call.

return policy "database" {
  like = "standard",

  call = {
    deadline = "10s", -- room for one wait on a row lock (servers give up at about 5s) and the statement behind it
    wait     = "1s",  -- transactions hold a connection for long: a second of queue is still work in progress
  },

  retry = {
    tries = 3,        -- conflicts of transactions mostly resolve at the first repetition
    pause = "20ms",   -- a transaction in the way takes milliseconds
  },

  -- How many statements run at once is for pool.max to say, and what is slow for the statement: reports take minutes.
  circuit = {
    pause_max = "5s", -- a fail-over takes 5 to 10s: whoever is in charge then is asked within as long again, at most
    probe     = "10s",
  },
}
