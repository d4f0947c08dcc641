-- many.lua - more rows of bench/rows.lua: what many of a kind cost, in time and memory.

return {
  {
    name = "parked.lua",
    rows = {
      { id = "task.parked", goal = 1, unit = "B", peer = "2.5 kB", what = "memory of each of 10,000 tasks that wait" },
      {
        id = "task.parked.pause", goal = 1, unit = "us", peer = "3 ms",
        what = "the collector's longest step beside 10,000 tasks that wait, less that beside 100",
      },
      {
        id = "task.parked.wake", goal = 0.7, unit = "ns", peer = "one of 100",
        what = "to wake one of 10,000 tasks, which waits again",
      },
    },
  },
  {
    name = "scale.lua", within = 1200000,
    rows = {
      {
        id = "scale.resources.ls", goal = 0.5, unit = "us", peer = "each of 1,000",
        what = "nebula ls: each of 100,000 resources; the curve is build/bench/scale.svg",
      },
      {
        id = "scale.resources.sweep", goal = 0.5, unit = "ns", peer = "each of 1,000",
        what = "the keeper's look at each of 100,000 pools",
      },
    },
  },
  {
    name = "timers",
    rows = {
      { id = "timer.arm", goal = 5, unit = "ns", peer = "libuv's heap", what = "to arm one of 100,000 timers anew" },
      { id = "timer.cancel", goal = 5, unit = "ns", peer = "libuv's heap", what = "to cancel and arm one of 100,000" },
      { id = "timer.fire", goal = 5, unit = "ns", peer = "libuv's heap", what = "one of 100,000 that falls due" },
      {
        id = "timer.million.arm", goal = 0.8, unit = "x", peer = "memory alone",
        what = "to arm one of 1,000,000 timers, as a multiple of one of 1,000",
      },
      {
        id = "timer.million.cancel", goal = 0.8, unit = "x", peer = "memory alone", what = "the same: cancel and arm",
      },
      {
        id = "timer.million.fire", goal = 0.8, unit = "x", peer = "memory alone", what = "the same: one that falls due",
      },
    },
  },
  {
    name = "used",
    rows = {
      {
        id = "mem.resource.two", goal = 1, unit = "B", peer = "1 kB",
        what = "memory of the engine for a declared, unused resource, two workers' shares together",
      },
      {
        id = "mem.used", goal = 1, unit = "B", peer = "8 kB", what = "the same of one that was used; histograms",
      },
      {
        id = "mem.pool", goal = 1, unit = "B", peer = "1.5 kB", what = "a pool and ten idle connections of it, SQLite",
      },
    },
  },
  {
    name = "memory.lua",
    rows = {
      {
        id = "mem.resource", goal = 1, unit = "B", peer = "1 kB",
        what = "memory of the process for each of 10,000 declared, unused resources",
      },
    },
  },
}
