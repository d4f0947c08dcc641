-- Loops in the handler of its own error, where no hook ends it. There is no such name.
-- expect: error "unknown name xpcall"

policy "h048" {
  retry = { on = function()
    return xpcall(error, function()
      while true do
      end
    end)
  end },
}
