-- Two policies of a file tell each other by an upvalue that both have. The one that writes is found out; the other
-- sees nothing.
-- expect: changed | false

local last = "nobody"

policy "h054" {
  retry = { on = function(e)
    last = e.code
    return true
  end },
}

policy "h054.reader" {
  retry = { on = function()
    return last ~= "nobody"
  end },
}
