-- 1,000 texts of 32,000 digits as arguments of max(), which read all of them in one step. So many are refused.
-- expect: error "max: more than 32 values"

policy "h010" {
  retry = { on = function()
    local digits, list = ("0"):rep(32000), {}
    for i = 1, 1000 do
      list[i] = digits
    end
    return math.max(unpack(list)) == 0
  end },
}
