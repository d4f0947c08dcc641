return require("nebula.cli.operate").command {
  name = "resume",
  text = "end the pause or the drain of a resource",
  manual = "Who waited is served, in turn.",
  said = "resumed",
  words = function()
    return {}
  end,
}
