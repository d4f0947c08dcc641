-- Divides the least number of C by -1 and by nought, which stops a processor. It does not.
-- expect: true

policy "h079" {
  retry = { on = function()
    local least = -9223372036854775807LL - 1LL
    return least / -1LL == least and least % -1LL == 0 and 7LL / 0LL ~= 0 and 7LL % 0LL ~= 1
  end },
}
