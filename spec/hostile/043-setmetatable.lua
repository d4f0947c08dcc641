-- Gives its answer a metatable that answers for ever. There is no such name.
-- expect: error "unknown name setmetatable"

policy "h043" {
  retry = { on = function()
    return setmetatable({}, { __index = function(t, k) return t[k .. "x"] end }).x
  end },
}
