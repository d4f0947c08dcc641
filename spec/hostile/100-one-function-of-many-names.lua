-- Is set aside after three strikes, and has 20 names, each with strikes of its own. Each is set aside.
-- expect: steps

local function busy()
  while 1 do
    local _ = busy
  end
end

for i = 1, 20 do
  policy("h100." .. i) { retry = { on = busy } }
end
