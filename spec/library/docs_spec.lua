-- limit: 300 s. not aside. The pages for C programs, typed into an empty folder: a block that names a file is written to
-- it, a block of sh is run, and the block of text behind it is what that says.

local page = require "spec.support.page"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local HOME = require("nebula.worker").home
local BUILD = HOME .. "/" .. (os.getenv "NEBULA_BUILD" or "build")

local root, tools = tmp.folder(), tmp.folder()
local prefix = root .. "/opt/n"
local server = postgres.start()
local url = ("postgres://%s:%s@%s:%d/%s"):format(server.user, server.password:gsub(" ", "%%20"), server.host, server.port,
  server.dbname)

local function run(script, folder)
  return process.run { "sh", "-euc", script, folder = folder, within = 60000, env = {
    PATH = ("%s:%s/bin:%s"):format(tools, prefix, os.getenv "PATH"), LD_LIBRARY_PATH = prefix .. "/lib",
    NEBULA_HOME = "", NEBULA_RUN_DIR = tools, SHOP_URL = url,
  } }
end

setup(function()
  local ran = run(("BUILD=%s PREFIX=/opt/n LIBDIR=/opt/n/lib DESTDIR=%s VERSION=%s ABI=0 sh %s/deploy/install.sh install"):format(
    BUILD, root, require "nebula.version", HOME))
  assert.equal(0, ran.code, ran.errors)
  tmp.write(tools, "pkg-config", ([[#!/bin/sh
    PKG_CONFIG_PATH=%s/lib/pkgconfig exec /usr/bin/pkg-config --define-variable=prefix=%s --define-variable=libdir=%s/lib "$@"
  ]]):format(prefix, prefix, prefix))
  assert.equal(0, process.run({ "chmod", "755", tools .. "/pkg-config" }).code)
end)

for name, least in pairs { ["embedding.md"] = 19, ["driver.md"] = 6 } do
  describe(name, function()
    it("does what it says", function()
      local folder, said, count = tmp.folder(), nil, 0
      for _, block in ipairs(page.blocks(HOME .. "/docs/" .. name)) do
        if block.mark == "norun" then
          count = count - 1
        elseif block.language == "text" then
          assert.equal(block.text, said)
        elseif block.language == "sh" then
          local ran = run(block.text, folder)
          assert.equal(0, ran.code, block.text .. "\n" .. ran.output .. ran.errors)
          assert.equal("", ran.errors)
          said = ran.output
        else
          tmp.write(folder, assert(block.name, "a block without a name: " .. block.text), block.text)
        end
        count = count + 1
      end
      assert.is_true(count >= least, tostring(count))
    end)
  end)
end
