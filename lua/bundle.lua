--- bundle: the modules below lua/, compiled, as one file of C that the program is linked with.
--
--   luajit bundle.lua FILE.lua... > bundle.c
--
-- LuaJIT's own `require` looks into the program for luaJIT_BC_<name> before it looks for files, and compiles nothing
-- then. Lines and names are kept, so that what is raised has its place. A chunk is named by its path here, wherever the
-- program will lie. Bytecode of another version of LuaJIT is not accepted, and then the files count.

local function symbol_of(path)
  local name = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", "")
  return "luaJIT_BC_" .. name:gsub("/", "_")
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function write(symbol, code)
  io.write(("const unsigned char %s[%d] = {\n"):format(symbol, #code))
  io.write((code:gsub(".", function(byte) return ("%d,"):format(byte:byte()) end):gsub(("[^,]*,"):rep(20), "%0\n")))
  io.write("};\n")
end

for _, path in ipairs { ... } do
  write(symbol_of(path), string.dump(assert(loadstring(read(path), "=" .. path))))
end
