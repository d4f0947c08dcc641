-- Has format() write a pointer. There is no %p.
-- expect: error "there is no %p"

policy "h059" {
  retry = { on = function()
    return ("%-20p"):format({}) ~= ""
  end },
}
