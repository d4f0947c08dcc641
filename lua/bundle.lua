--- bundle: the modules below lua/, compiled, as one file of C that the program and the library are linked with.
--
--   luajit bundle.lua FILE.lua... > bundle.c
--
-- What `require` gets of it is in engine/modules.h. Lines and names are kept, so that what is raised has its place. A
-- chunk is named by its path here, wherever the program will lie.

local function name_of(path)
  return (path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", "."))
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function write(i, code)
  io.write(("static const unsigned char code_%d[%d] = {\n"):format(i, #code))
  io.write((code:gsub(".", function(byte) return ("%d,"):format(byte:byte()) end):gsub(("[^,]*,"):rep(20), "%0\n")))
  io.write("};\n")
end

local files = { ... }
table.sort(files, function(a, b) return name_of(a) < name_of(b) end)
io.write('#include "modules.h"\n')
for i, path in ipairs(files) do
  write(i, string.dump(assert(loadstring(read(path), "=" .. path))))
end
io.write("const struct module module_table[] = {\n")
for i, path in ipairs(files) do
  io.write(('{"%s", code_%d, sizeof code_%d},\n'):format(name_of(path), i, i))
end
io.write(("};\nconst size_t module_count = %d;\n"):format(#files))
