-- Adds to a table while it walks through it, so that the walk has no end. It has one, and no walk leaves the table.
-- expect: steps or memory or error

policy "h020" {
  retry = { on = function()
    while true do
      local t = { a = 1, b = 2 }
      for key in pairs(t) do
        t[key .. "x"] = 1
      end
    end
  end },
}
