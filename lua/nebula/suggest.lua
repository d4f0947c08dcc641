--- suggest: what a misspelt name may have meant.

-- How many letters have to be put in, left out, changed or swapped with their neighbour (optimal string alignment:
-- Damerau 1964, Levenshtein 1966).
local function distance(a, b)
  local before, row = {}, {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local two_before = before
    before, row = row, { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j) and 0 or 1
      row[j] = math.min(before[j] + 1, row[j - 1] + 1, before[j - 1] + same)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], two_before[j - 2] + 1)
      end
    end
  end
  return row[#b]
end

--- The known name nearest to `word`, if one is near enough to be meant.
---@param word string
---@param names string[]
---@return string|nil
local function nearest(word, names)
  local best, least = nil, math.max(1, math.ceil(#word / 3)) + 1
  for _, name in ipairs(names) do
    -- What is longer or shorter by so much is no nearer than that.
    local d = math.abs(#name - #word) < least and distance(word:lower(), name:lower())
    if d and d < least then
      best, least = name, d
    end
  end
  return best
end

--- The end of a sentence about an unknown name: the likely one, or all of them when they are few.
---@param word any
---@param names string[]
---@return string # "" when there is nothing helpful to say
return function(word, names)
  table.sort(names)
  local near = type(word) == "string" and #word <= 64 and nearest(word, names)
  if near then
    return ('; did you mean "%s"?'):format(near)
  elseif #names > 0 and #names <= 12 then
    return "; known: " .. table.concat(names, ", ")
  end
  return ""
end
