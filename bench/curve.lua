-- curve.lua - a picture of how a cost grows: lines through points, both axes by powers of ten, as an SVG.

local WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 400, 80, 40, 150, 50
local COLOURS = { "#1b6ca8", "#c1440e", "#3b7d3b", "#7a4fa3" }

local curve = {}

local function log10(x) return math.log(x) / math.log(10) end

local function span(lines, axis)
  local low, high = math.huge, -math.huge
  for _, line in ipairs(lines) do
    for _, point in ipairs(line.points) do
      low, high = math.min(low, log10(point[axis])), math.max(high, log10(point[axis]))
    end
  end
  return math.floor(low + 1e-9), math.ceil(high - 1e-9)
end

local function escape(text) return (text:gsub("[<>&]", { ["<"] = "&lt;", [">"] = "&gt;", ["&"] = "&amp;" })) end

local function text(x, y, anchor, words)
  return ('<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>'):format(x, y, anchor, escape(words))
end

local function rule(x1, y1, x2, y2)
  return ('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#ddd"/>'):format(x1, y1, x2, y2)
end

local function number(power)
  local value = 10 ^ power
  return value >= 1 and ("%.0f"):format(value) or ("%g"):format(value)
end

-- From a point to where it is drawn.
local function scales(lines)
  local x0, x1 = span(lines, 1)
  local y0, y1 = span(lines, 2)
  local wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
  return function(x) return LEFT + (x - x0) / math.max(1, x1 - x0) * wide end,
    function(y) return HEIGHT - BOTTOM - (y - y0) / math.max(1, y1 - y0) * high end, x0, x1, y0, y1
end

---@param title string
---@param x string what the horizontal axis counts
---@param y string what the other one does
---@param lines { name: string, points: number[][] }[] all numbers positive
---@return string svg
function curve.draw(title, x, y, lines)
  local at_x, at_y, x0, x1, y0, y1 = scales(lines)
  local size = ('width="%d" height="%d"'):format(WIDTH, HEIGHT)
  local out = { '<svg xmlns="http://www.w3.org/2000/svg" ' .. size .. ' font-family="sans-serif" font-size="12">',
    '<rect width="100%" height="100%" fill="white"/>',
    ('<text x="%d" y="22" font-size="15">%s</text>'):format(LEFT, escape(title)) }
  for power = x0, x1 do
    out[#out + 1] = rule(at_x(power), TOP, at_x(power), HEIGHT - BOTTOM)
    out[#out + 1] = text(at_x(power), HEIGHT - BOTTOM + 18, "middle", number(power))
  end
  for power = y0, y1 do
    out[#out + 1] = rule(LEFT, at_y(power), WIDTH - RIGHT, at_y(power))
    out[#out + 1] = text(LEFT - 8, at_y(power) + 4, "end", number(power))
  end
  out[#out + 1] = text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, "middle", x)
  out[#out + 1] = text(LEFT - 8, TOP - 14, "end", y)
  for i, line in ipairs(lines) do
    local colour, path = COLOURS[(i - 1) % #COLOURS + 1], {}
    for at, point in ipairs(line.points) do
      path[at] = ("%.1f,%.1f"):format(at_x(log10(point[1])), at_y(log10(point[2])))
      out[#out + 1] = ('<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>'):format(at_x(log10(point[1])),
        at_y(log10(point[2])), colour)
    end
    out[#out + 1] = ('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>'):format(
      table.concat(path, " "), colour)
    local last = line.points[#line.points]
    out[#out + 1] = ('<text x="%.1f" y="%.1f" fill="%s">%s</text>'):format(at_x(log10(last[1])) + 8,
      at_y(log10(last[2])) + 4, colour, escape(line.name))
  end
  out[#out + 1] = "</svg>\n"
  return table.concat(out, "\n")
end

return curve
