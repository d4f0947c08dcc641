return require("nebula.cli.operate").command {
  name = "pause",
  text = "make new leases and calls of a resource wait",
  manual = "Who asks from now on waits until `nebula resume`, at most as long as for a connection: call.wait of the\n"
    .. "policy. What is leased goes on.",
  said = "paused",
  words = function()
    return {}
  end,
}
