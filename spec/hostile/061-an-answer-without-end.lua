-- Answers with a table of 900 entries that nobody asked for. The first of them ends the reading.
-- expect: shape "what nobody asked for"

policy "h061" {
  verdict = function()
    local answer = {}
    for i = 1, 900 do
      answer[i] = true
    end
    return answer
  end,
}
