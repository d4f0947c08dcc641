-- Answers with a table that holds itself. Nobody walks into it.
-- expect: shape "in pause answers with a table"

policy "h060" {
  verdict = function()
    local answer = { retry = true }
    answer.pause = answer
    return answer
  end,
}
