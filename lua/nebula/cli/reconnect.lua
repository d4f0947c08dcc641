local operate = require "nebula.cli.operate"

return operate.command {
  name = "reconnect",
  text = "open another connection for each that a resource has, without anybody noticing",
  manual = [[
Some leave at a time: idle ones first, leased ones when they are given back. The new ones are opened before, wherever
max leaves room for them, so that min stays warm; while connecting fails nobody leaves.
Without --wait the command ends when that has begun; `nebula inspect` shows how far it is.]],
  said = "reconnecting",
  options = {
    { name = "share", value = "PART", text = "how many leave at a time, more than 0 and at most 1 (default 0.25)" },
    { name = "every", value = "TIME", text = "from one time to the next (default 1s)" },
  },
  words = function(given)
    local share = tonumber(given.share or 0.25)
    if not share or not (share > 0 and share <= 1) then
      return nil, "--share: expected a number that is more than 0 and at most 1"
    end
    local every_us, why = operate.span(given, "every")
    return not why and { percent = math.ceil(share * 100), every_us = every_us } or nil, why
  end,
  is_over = function(resource)
    for _, pool in ipairs(resource.pools) do
      if pool.reconnecting then
        return false
      end
    end
    return true
  end,
}
