-- rules.lua - the rows of bench/policy.c: what each rule takes of a call that goes well.

local function rule(name, what)
  return { id = "policy." .. name, goal = 1, unit = "ns", peer = "no rule, and 15 ns",
    what = "of a call that goes well: " .. what }
end

return {
  rule("retry", "whether it may be tried again, and after which pause"),
  rule("circuit", "a pass by one word, and how it ended among the last 100"),
  rule("circuit.span", "a pass by one word, and how it ended among those of 30 s"),
  rule("limit", "how many may be under way, and how long it took; with the trials that this needs"),
  rule("bulkhead", "a permit, and back"),
  rule("rate", "a token of a bucket"),
  rule("rate.leaky", "a time, one behind the other"),
  rule("rate.window", "a token of a window that slides"),
  rule("shed", "whether it waited for too long"),
  rule("early", "whether it can make its deadline"),
  rule("hedge", "when a copy would go, the end of the first one, and what it saves up"),
  rule("throttle", "a success, where all tokens are there"),
  {
    id = "noise.policy", goal = 1, unit = "ns", peer = "itself", what = "a call that asks no rule beside itself",
  },
}
