-- Swallows the cut and goes on. There is no such name.
-- expect: error "unknown name pcall"

policy "h047" {
  retry = { on = function()
    while true do
      pcall(function()
        while true do
        end
      end)
    end
  end },
}
