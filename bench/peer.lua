-- peer.lua - programs to measure beside: each is made once, from bench/peers/NAME in the build folder.
--
-- What one needs comes through the package manager of its language. Where that is not here, or does not get it, the
-- rows of this peer say so and the others are measured.
local process = require "spec.support.process"

local MAKING = 240 -- s, of each

local peer = {}

-- The programs that have to be here, and what is done in a folder with a copy of bench/peers/NAME.
local recipes = {
  go = { "go", "GOTOOLCHAIN=local go build -o lend ." },
  java = { "java javac mvn",
    "mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib && javac -cp 'lib/*' *.java" },
  node = { "node npm", "npm ci --ignore-scripts --no-audit --no-fund" },
  openresty = { "apt-get dpkg", "sh get.sh" },
  rust = { "cargo", "cargo build --quiet --release" },
}

-- What it was made of is told by a sum, so that it is made again when that has changed.
local script = [[
from=bench/peers/$1 to=$2
for tool in $3; do
  command -v "$tool" > /dev/null || { echo "$tool is not here"; exit 1; }
done
sum=$(cat "$from"/* | sha256sum)
[ "$(cat "$to/made" 2> /dev/null)" != "$sum" ] || exit 0
rm -rf "$to" && mkdir -p "$to" && cp -r "$from"/. "$to" && cd "$to"
timeout "$5" sh -c "$4" > ../"$1.log" 2>&1 || { echo "it could not be made, see $to.log"; exit 1; }
echo "$sum" > made
]]

---Where the program lies when it is made.
function peer.folder(name) return process.program("peers/" .. name) end

---Makes it, unless it is there.
---@param name string a folder of bench/peers
---@return string? why it is not to be had
function peer.missing(name)
  local tools, make = unpack(recipes[name])
  local words = { "sh", "-c", script, "sh", name, peer.folder(name), tools, make, tostring(MAKING) }
  words.within = 2 * MAKING * 1000
  local ran = process.run(words)
  if ran.code ~= 0 then return (ran.output .. ran.errors):match "^[^\n]*" end
end

return peer
