-- A list whose length is said to be 2^29, and an insert() at its front: once a loop of 15 s in one step.
-- expect: refused "runs for too long"

local o = 1
local list = {
  o, o, o, [4] = o, [8] = o, [16] = o, [32] = o, [64] = o, [128] = o, [256] = o, [512] = o, [1024] = o, [2048] = o,
  [4096] = o, [8192] = o, [16384] = o, [32768] = o, [65536] = o, [131072] = o, [262144] = o, [524288] = o,
  [1048576] = o, [2097152] = o, [4194304] = o, [8388608] = o, [16777216] = o, [33554432] = o, [67108864] = o,
  [134217728] = o, [268435456] = o, [536870912] = o,
}
table.insert(list, 1, "x")
