-- waiting.lua - the rows of bench/waits.lua: tasks for two connections, a round, the longest waits, and how even; alone
-- and beside each pool of another language.

local keys = require "nebula.keys"

return function()
  local rows = {}
  local peers = {
    hikari = "HikariCP 7.1.0, threads", commons = "commons-pool2 2.13.1, fair, threads", puddle = "puddle 2.2.3, Go",
    deadpool = "deadpool 0.13.1, Rust", ["deadpool.unmanaged"] = "deadpool without a manager", bb8 = "bb8 0.9.1, Rust",
    ["generic-pool"] = "generic-pool 3.9.0, Node.js", tarn = "tarn 3.1.2, Node.js",
    mutex = "a mutex and a condition variable, C, threads", fair = "a mutex and a queue, C, threads",
  }
  local function add(id, goal, unit, peer, what, is_rate)
    rows[#rows + 1] = { id = id, goal = goal, unit = unit, peer = peer, what = what, is_rate = is_rate }
  end
  for _, crowd in ipairs { 8, 32, 64 } do
    local id, what = "pool.wait." .. crowd, ("%d tasks in Lua for 2 connections on one worker: "):format(crowd)
    add(id, 1, "ns", "80 ns", what .. "a round")
    add(id .. ".tail", 1, "x", "3 times", what .. "99 in 100 waits, as a multiple of the middle one")
    add(id .. ".even", 1, "", "1 / 1.02", what .. "rounds of the slowest task, of the fastest one's", true)
    for _, name in ipairs(keys(peers)) do
      local peer = peers[name]
      add(id .. "." .. name, 1, "ns", peer, what .. "a round")
      add(id .. "." .. name .. ".p99", 1, "us", peer, what .. "99 in 100 waits of the task that fared worst")
      add(id .. "." .. name .. ".even", 1, "", peer, what .. "rounds of the slowest task, of the fastest one's", true)
    end
  end
  return rows
end
