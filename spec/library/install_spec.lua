-- limit: 300 s. not aside: what is installed is built the usual way.
-- What is installed: the program from any folder, C programs against it, a kind of one's own; and nothing left of it.

local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local HOME = require("nebula.worker").home
local BUILD = HOME .. "/" .. (os.getenv "NEBULA_BUILD" or "build")
local VERSION = require "nebula.version"

local function run(words)
  words.within = words.within or 60000
  local ran = process.run(words)
  assert.equal(0, ran.code, table.concat(words, " ") .. "\n" .. ran.output .. ran.errors)
  return ran.output
end

local function sh(script, env)
  return run { "sh", "-euc", script, env = env }
end

-- deploy/install.sh as make calls it, where somebody uses another nebula.
local function install(what, root)
  sh(("BUILD=%s PREFIX=/opt/n LIBDIR=/opt/n/lib/here DESTDIR=%s VERSION=%s ABI=0 sh %s/deploy/install.sh %s"):format(
    BUILD, root, VERSION, HOME, what), { NEBULA_HOME = "/nowhere" })
end

local root = tmp.folder()
local prefix = root .. "/opt/n"
local work = tmp.folder() -- where programs are compiled, and run
local env = {
  NEBULA_RUN_DIR = tmp.folder(),
  NEBULA_HOME = "",
  CFLAGS = "-std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror",
  CONFIG = ("env PKG_CONFIG_PATH=%s/lib/here/pkgconfig pkg-config --define-variable=prefix=%s "
    .. "--define-variable=libdir=%s/lib/here"):format(prefix, prefix, prefix),
  SOURCE = HOME .. "/examples/c",
  LIB = prefix .. "/lib/here",
  WORK = work,
}

local function files(folder)
  return sh("find " .. folder .. " -mindepth 1 | sort")
end

describe("what is installed", function()
  setup(function() install("install", root) end)

  it("is the program, which finds its own folder wherever it lies", function()
    tmp.write(work, "resources/shop.lua", 'sqlite "shop" { file = ":memory:", pool = { max = 1 } }')
    tmp.write(work, "flow.lua", 'print(use "shop":value "select 40 + 2")')
    local nebula = prefix .. "/bin/nebula"
    assert.equal("42\n", run { nebula, "run", work .. "/flow.lua", env = env, folder = "/" })
    assert.matches("^nebula " .. VERSION:gsub("%p", "%%%0"), run { nebula, "version", env = env })
  end)

  it("compiles the examples with what pkg-config says", function()
    sh([[cd $WORK
      for one in blocking epoll listen; do
        gcc $CFLAGS $SOURCE/$one.c $($CONFIG --cflags --libs nebula) -Wl,-rpath,$LIB -o $one
        gcc $CFLAGS $SOURCE/$one.c $($CONFIG --cflags nebula) \
          $($CONFIG --static --libs nebula | sed s/-lnebula/-l:libnebula.a/) -o $one-static
      done]], env)
    assert.equal(VERSION .. "\n", sh("$CONFIG --modversion nebula", env))
  end)

  for _, how in ipairs { "", "-static" } do
    local set = how == "" and env or setmetatable({ NEBULA_HOME = prefix .. "/share/nebula" }, { __index = env })
    local surroundings = { NEBULA_HOME = set.NEBULA_HOME, NEBULA_RUN_DIR = env.NEBULA_RUN_DIR }

    local function examples(...)
      assert.equal("1 due\n2 paid\n3 due\n", run { work .. "/blocking" .. how, env = surroundings, ... })
      assert.equal("7 good, 1 late, the loop ticked: yes\n", run { work .. "/epoll" .. how, env = surroundings, ... })
    end

    it("runs them on SQLite" .. how, function()
      examples()
      local folder = tmp.folder()
      tmp.write(folder, "resources/shop.lua", ('sqlite "shop" { file = %q, pool = { max = 4 } }'):format(
        folder .. "/shop.db"))
      examples(folder)
    end)

    it("runs them on PostgreSQL" .. how, function()
      local server, folder = postgres.start(), tmp.folder()
      tmp.write(folder, "resources/shop.lua", ("postgres 'shop' { host = %q, port = %d, dbname = %q, user = %q, "
        .. "password = %q, pool = { max = 4 } }"):format(server.host, server.port, server.dbname, server.user,
        server.password))
      examples(folder)

      local child = process.start { work .. "/listen" .. how, folder, "jobs", "news", env = surroundings, input = "pipe" }
      assert.equal("listening", child:line(15000))
      for _, word in ipairs { "one", "two" } do -- each is told on a connection of its own
        child:write(word .. "\n")
        assert.equal("jobs: " .. word, child:line())
      end
      server:psql "select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %'"
      assert.matches("^gap lost: shop: .*terminating connection", child:line(15000))
      server:psql "notify news, 'from elsewhere'"
      assert.equal("news: from elsewhere", child:line())
      child:close_input()
      assert.same({ code = 0 }, child:wait(15000))
      local _, errors = child:take()
      assert.equal("", errors)
      child:close()
      server:stop()
    end)
  end

  it("is opened by dlopen() as often as somebody likes, and what was loaded stays good", function()
    tmp.write(work, "plugin.c", [[
      #include <dlfcn.h>
      #include <nebula.h>
      #include <stdio.h>
      #include <sys/mman.h>
      #define FUNCTION(name) __extension__ __typeof__(&name) name##_ = (__typeof__(&name))dlsym(library, #name)
      int main(int count, char **path)
      {
          for (int i = 0; count == 2 && i < 3; i++) {
              void *library = dlopen(path[1], RTLD_NOW | RTLD_LOCAL);
              FUNCTION(nebula_open);
              FUNCTION(nebula_declare_source);
              FUNCTION(nebula_error);
              FUNCTION(nebula_close);
              struct nebula_options options = {.log_fd = 2, .log_level = 3};
              struct nebula_source source = {.text = "sqlite 'shop' { file = ':memory:', pool = { max = 1 } }"};
              struct nebula *n = nebula_open_(&options, NULL, 0);
              if (nebula_declare_source_(n, &source, NULL) != 1)
                  return puts(nebula_error_(n)), 1;
              nebula_close_(&n);
              Dl_info place;
              dladdr((void *)nebula_open_, &place);
              dlclose(library);
              /* whatever is loaded next lies elsewhere */
              mmap(place.dli_fbase, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
          }
          return 0;
      }]])
    sh("cd $WORK; gcc -D_GNU_SOURCE plugin.c $($CONFIG --cflags nebula) -o plugin; ./plugin $LIB/libnebula.so.0", env)
  end)

  it("takes a kind from outside, with its driver", function()
    sh([[mkdir -p $WORK/kind; cp -r $SOURCE/kind/resources $WORK/kind/
      gcc $CFLAGS -shared -fPIC -fvisibility=hidden $SOURCE/kind/nebula-lines.c $($CONFIG --cflags nebula) -o $WORK/kind/nebula-lines.so]],
      env)
    tmp.write(work, "stay/resources/shop.lua", "")
    tmp.write(work, "stay/flow.lua", "io.stdout:setvbuf 'line' print 'ready'")
    local other = process.start { prefix .. "/bin/nebula", "run", "--stay", work .. "/stay/flow.lua", env = env }
    assert.equal("ready", other:line())
    tmp.write(work, "ask/resources/other.lua", "lines 'other' { path = env 'OTHER', pool = { max = 2 } }")
    tmp.write(work, "ask/flow.lua", [[
      local other, good = use "other", 0
      for_each({ 1, 2, 3, 4, 5, 6, 7, 8 }, { parallel = 8 }, function()
        local answer = assert(other:ask '{"verb":"ls"}')
        good = good + (answer:find '^{"ok":true' and 1 or 0)
        return true
      end)
      local lease = other:lease()
      print(good, lease:ask '{"verb":"nonsense"}')
      lease:release()
      print(pcall(other.ask, other, "two\nlines"))
    ]])
    local seen = { NEBULA_PATH = work .. "/kind", OTHER = ("%s/%d.sock"):format(env.NEBULA_RUN_DIR, other.pid),
      NEBULA_RUN_DIR = env.NEBULA_RUN_DIR, NEBULA_HOME = "" }
    local said = run { prefix .. "/bin/nebula", "run", work .. "/ask/flow.lua", env = seen }
    assert.matches('^8\t{"ok":false,.-\nfalse\t.-one line\n$', said)

    other:signal "TERM"
    assert(other:wait(15000))
    other:close()
    local dead = process.run { prefix .. "/bin/nebula", "run", work .. "/ask/flow.lua", env = seen, within = 60000 }
    assert.equal(1, dead.code)
    assert.matches("nobody listens at the path", dead.errors)
  end)

  it("refuses a driver of another version, and what is none", function()
    local source = tmp.write(work, "old/old.c", [[
      #include <nebula_driver.h>
      const struct nebula_driver nebula_driver = { .abi = 99, .size = sizeof nebula_driver };]])
    sh("gcc -shared -fPIC " .. source .. " $($CONFIG --cflags nebula) -o $WORK/old/nebula-old.so", env)
    local kind = 'return kind "%s" { driver = "%s", options = {}, check = "x", resource = {}, lease = {} }'
    tmp.write(work, "old/resources/old.lua", kind:format("old", "old"))
    tmp.write(work, "old/resources/none.lua", kind:format("none", "none"))
    tmp.write(work, "old/nebula-none.so", "no object")
    tmp.write(work, "uses/flow.lua", "")
    for name, why in pairs { old = "was built for another version of nebula", none = "the driver cannot be loaded" } do
      tmp.write(work, "uses/resources/one.lua", name .. " 'one' {}")
      local ran = process.run { prefix .. "/bin/nebula", "run", work .. "/uses/flow.lua",
        env = { NEBULA_PATH = work .. "/old", NEBULA_RUN_DIR = env.NEBULA_RUN_DIR, NEBULA_HOME = "" } }
      assert.equal(2, ran.code)
      assert.is_not_nil(ran.errors:find(why, 1, true), ran.errors)
    end
  end)

  it("has pages and completions", function()
    assert.matches("nebula check", sh("man -l --warnings " .. prefix .. "/share/man/man1/nebula.1 2>&1"))
    assert.matches("pool.max", sh("man -l --warnings " .. prefix .. "/share/man/man5/nebula.5 2>&1"))
    local said = run { "bash", "-c", ". " .. prefix .. [[/share/bash-completion/completions/nebula
      try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _nebula; echo "${COMPREPLY[*]}"; }
      try nebula ins; try nebula run --log js; try nebula run --dr; try nebula help che]] }
    assert.equal("inspect\njson\n--drain\ncheck\n", said)
  end)

  it("shows nothing but nebula_*, and has no variable that changes", function()
    for _, file in ipairs { prefix .. "/lib/here/libnebula.so" } do
      for name in sh("nm -D --defined-only --format=just-symbols " .. file):gmatch "%S+" do
        assert.matches("^[nN][eE][bB][uU][lL][aA]_", name)
      end
      for section, size in sh("size -A " .. file):gmatch "%.(%a+)%s+(%d+)" do
        if section == "data" or section == "bss" then assert.is_true(tonumber(size) <= 16, section) end
      end
      assert.matches("SONAME.*libnebula.so.0", sh("objdump -p " .. file))
    end
    for name in sh("nm --defined-only --extern-only --format=just-symbols " .. env.LIB .. "/libnebula.a"):gmatch "\n(%S+)" do
      assert.is_true(name:find "^nebula_" ~= nil or name:find ":$" ~= nil, name)
    end
  end)

  it("goes to no place that cannot be written down in a command", function()
    local list = { "PREFIX=relative", "PREFIX=", "PREFIX=/two words", "LIBDIR=lib", "DESTDIR=/two words" }
    for character in ([['"`\&;|<>*?[]{}()!]]):gmatch "." do
      list[#list + 1] = ("PREFIX=/o%sdd"):format(character)
    end
    for _, name in ipairs { "PREFIX", "LIBDIR", "DESTDIR" } do
      list[#list + 1] = name .. "=/it's"
      list[#list + 1] = name .. "=/a$$HOME"
    end
    for _, odd in ipairs(list) do
      local ran = process.run { "make", "-n", odd, "install", folder = HOME, within = 30000 }
      assert.equal(2, ran.code, odd)
      assert.matches("PREFIX and LIBDIR are absolute paths", ran.errors)
    end
  end)

  it("is replaced by itself, and leaves nothing", function()
    local before = files(root)
    install("install", root)
    assert.equal(before, files(root))
    tmp.write(root, "opt/n/share/nebula/mine", "")
    install("uninstall", root)
    assert.equal(("%s/opt\n%s/opt/n\n%s/opt/n/share\n%s/opt/n/share/nebula\n%s/opt/n/share/nebula/mine\n"):gsub("%%s", root),
      files(root))
  end)
end)
