-- Gives its question the fields of a metatable. They are fields.
-- expect: nothing

policy "h065" {
  retry = { on = function(e)
    e.__index = function() return true end
    e.__call, e.__gc, e.__mode, e.__tostring = e.__index, e.__index, "k", e.__index
    return e.never
  end },
}
