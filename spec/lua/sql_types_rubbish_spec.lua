-- Whatever words a server sends for a type, its decoder comes to an end and gives a value: its own, or the words as they
-- are. SEED=n begins there; NEBULA_PROVE makes it longer.

local bit = require "bit"
local types = require "nebula.sql.types.catalog".of({}).decoders

local TIMES = os.getenv "NEBULA_PROVE" and 100000 or 400
local SEED = tonumber(os.getenv "SEED") or 1

-- By OID: what a server says.
local samples = {
  [16] = { "t", "f" },
  [17] = { "\\x00ff", "\\x" },
  [20] = { "-9223372036854775808", "9007199254740993", "0" },
  [114] = { '{"a": [1, 2.5e3, null, {"b": "\\u00e9\\ud83d\\ude00"}], "c": true}', '"x"', "[]", "12345678901234567890" },
  [701] = { "1.5", "NaN", "-Infinity", "1e-320" },
  [1082] = { "2024-02-29", "infinity", "4713-01-01 BC" },
  [1114] = { "2024-01-02 03:04:05.678901", "0001-01-01 00:00:00 BC" },
  [1184] = { "2024-01-02 03:04:05+05:30", "294276-12-31 23:59:59.999999+00", "-infinity" },
  [1186] = { "1 year -2 mons +3 days -04:05:06.789", "00:00:00", "-1 days" },
  [1007] = { "{1,NULL,3}", "[0:1][-2:-1]={{1,2},{3,4}}", "{}" },
  [1009] = { '{"a\\"b","c\\\\d",NULL,"NULL","{}"}', '{{"x"},{y}}' },
  [1001] = { '{"\\\\x00","\\\\xff"}' },
  [3807] = { '{"{\\"a\\": [1, 2]}","[]"}' },
  [1185] = { '{"2024-01-02 03:04:05+00",infinity}' },
  [1187] = { '{"1 day","-00:00:01"}' },
}

local function dice(seed)
  local state = bit.bxor(seed * 7919 + 1, 0x5bd1e995)
  return function(low, high)
    state = bit.bxor(state, bit.lshift(state, 13))
    state = bit.bxor(state, bit.rshift(state, 17))
    state = bit.bxor(state, bit.lshift(state, 5))
    return low + state % (high - low + 1)
  end
end

local pieces = { "{", "}", '"', "\\", ",", "NULL", "[0:1]=", "-", " ", ":", ".", "\0", "\255", "9", "e", "u", "days", "BC", "+" }

local function spoil(roll, text)
  for _ = 1, roll(1, 3) do
    local at, long = roll(1, #text + 1), roll(0, 4)
    local piece = roll(1, 3) > 1 and pieces[roll(1, #pieces)]:rep(roll(1, 40) == 1 and 5000 or 1) or ""
    text = text:sub(1, at - 1) .. piece .. text:sub(at + (roll(1, 2) == 1 and long or 0))
  end
  return text
end

describe("rubbish from a server", function()
  for oid, list in pairs(samples) do
    it("is a value or the words as they are: " .. oid, function()
      for i = SEED, SEED + TIMES - 1 do
        local roll = dice(i)
        local text = spoil(roll, list[roll(1, #list)])
        local ok, value = pcall(types[oid] or function(words) return words end, text)
        assert(ok, ("seed %d, %q: %s"):format(i, text:sub(1, 200), tostring(value)))
      end
    end)
  end
end)
