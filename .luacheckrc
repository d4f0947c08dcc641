-- What luacheck knows of each folder: the names that its files are given.
std = "luajit"
max_line_length = 120
exclude_files = { "build", "spec/hostile/[0-9]*.lua" }

local workflow = { "use", "task", "sleep", "for_each", "deadline", "trace", "cancel", "defer", "log", "null",
  "progress", "args", "spawn_on_all", "json", "bytes", "array", "channel", "tenant", "range",
  "multirange", "composite", "stopping" }

files["resources"] = { read_globals = { "kind", "env" } }
files["policies"] = { read_globals = { "policy", "strategy", "env" } }
files["examples"] = { read_globals = workflow }
files["examples/services"] = { read_globals = { "service" } }
-- A declaration calls kinds by name, and there may be any.
files["examples/**/resources"] = { read_globals = { "env", "sqlite", "postgres" } }
files["examples/c/kind/resources"] = { read_globals = { "kind" } }
files["examples/**/policies"] = { read_globals = { "policy", "strategy", "env" } }
files["bench"] = { read_globals = workflow }
files["bench/kind/resources"] = { read_globals = { "kind" } }
files["bench/peers/openresty"] = { read_globals = { "ngx" } }
-- A row of a table of cases is one line.
files["spec"] = { std = "+busted", read_globals = workflow, max_line_length = 160 }
files["spec/library/hub/resources"] = { read_globals = { "kind" } }
files["spec/faults/desk/resources"] = { read_globals = { "kind" } }
