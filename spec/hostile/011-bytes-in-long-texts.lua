-- The same by char(), which wants bytes and takes texts of digits. So many are refused.
-- expect: error "char: more than 32 values"

policy "h011" {
  retry = { on = function()
    local digits, list = ("0"):rep(30000) .. "65", {}
    for i = 1, 1000 do
      list[i] = digits
    end
    return #string.char(unpack(list)) == 1000
  end },
}
