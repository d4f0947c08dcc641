-- limit: 300 s. not aside. The pages for C programs, typed into an empty folder: a block that names a file is written to
-- it, a block of sh is run, and the block of text behind it is what that says.

local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local HOME = require("nebula.worker").home
local BUILD = HOME .. "/" .. (os.getenv "NEBULA_BUILD" or "build")

local root, tools = tmp.folder(), tmp.folder()
local prefix = root .. "/opt/n"

local function run(script, folder)
  return process.run { "sh", "-euc", script, folder = folder, within = 60000, env = {
    PATH = ("%s:%s/bin:%s"):format(tools, prefix, os.getenv "PATH"), LD_LIBRARY_PATH = prefix .. "/lib",
    NEBULA_HOME = "", NEBULA_RUN_DIR = tools,
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

local function blocks(page)
  return tmp.read(HOME .. "/docs/" .. page):gmatch "\n```(%w+)( ?%w*)\n(.-)\n```"
end

for page, least in pairs { ["embedding.md"] = 7, ["driver.md"] = 6 } do
  describe(page, function()
    it("does what it says", function()
      local folder, said, count = tmp.folder(), nil, 0
      for language, mark, text in blocks(page) do
        local name = text:match "^/%* (%S+) %*/" or text:match "^%-%- (%S+%.lua)\n"
        if language == "text" then
          assert.equal(text .. "\n", said)
        elseif language == "sh" and mark == "" then
          local ran = run(text, folder)
          assert.equal(0, ran.code, text .. "\n" .. ran.output .. ran.errors)
          assert.equal("", ran.errors)
          said = ran.output
        elseif mark == "" then
          tmp.write(folder, assert(name, "a block without a name: " .. text), text .. "\n")
        end
        count = count + (mark == "" and 1 or 0)
      end
      assert.is_true(count >= least, tostring(count))
    end)
  end)
end
