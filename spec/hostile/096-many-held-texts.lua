-- Functions that hold on to 16,000 texts, so that the next new one makes the table of all texts grow, whoever asks.
-- That is nobody's breach.
-- expect: true

for k = 1, 33 do
  local texts = {}
  for i = 1, 490 do
    texts[i] = k .. "-" .. i
  end
  policy("h096." .. k) { retry = { on = function(e) return texts[e.n % 490 + 1] ~= nil end } }
end
