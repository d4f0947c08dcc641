-- abi.lua ABI - writes what programs that were compiled against the headers rely on, a line each.
--
-- Functions as they are declared, structs with their size and where each member lies, and the values of constants. abi.txt
-- is what was promised last (make abi); abi_spec.lua sees that it is kept.

local ffi = require "ffi"

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

-- Without comments and what is for the preprocessor.
local function declarations(path)
  local text = "\n" .. read(path):gsub("/%*.-%*/", "")
  text = text:gsub('extern "C" {', ""):gsub("\n#ifdef __cplusplus\n}\n#endif", ""):gsub("\n#[^\n]*", "")
  return (text:gsub("\n%s*\n", "\n"))
end

local lines = {}

local function put(format, ...)
  lines[#lines + 1] = format:format(...)
end

-- The names that a list of members declares.
local function members(body)
  local names = {}
  for one in body:gsub("union%s*{", ""):gsub("}%s*", ""):gmatch "[^;]+" do
    local pointer = one:match "%(%*%s*([%w_]+)%)%s*%("
    if pointer then
      names[#names + 1] = pointer
    else
      for name in (one .. ","):gmatch "([%w_]+)%s*%[?%d*%]?%s*," do
        names[#names + 1] = name
      end
    end
  end
  return names
end

local function put_structs(text)
  for name, body in text:gmatch "\nstruct ([%w_]+) (%b{});" do
    local parts = {}
    for i, member in ipairs(members(body:sub(2, -2))) do
      parts[i] = ("%s %d"):format(member, (ffi.offsetof("struct " .. name, member)))
    end
    put("struct %s %d: %s", name, ffi.sizeof("struct " .. name), table.concat(parts, ", "))
  end
end

local function put_constants(text)
  for body in text:gmatch "\nenum [%w_]*%s*(%b{});" do
    for name in body:gmatch "%f[%w_](NEBULA_[%w_]+)" do
      put("constant %s %d", name, tonumber(ffi.C[name]))
    end
  end
end

local function put_functions(text)
  for declaration in text:gmatch "\n([%w_][^\n{};]-[%w_]+%([^;{}]*%));" do
    if not declaration:find "^struct [%w_]+$" then
      put("function %s", (declaration:gsub("%s+", " ")))
    end
  end
end

ffi.cdef "struct sockaddr_storage; typedef unsigned socklen_t;"
for _, path in ipairs { "engine/nebula.h", "engine/nebula_balance.h", "engine/nebula_chaos.h",
  "engine/nebula_driver.h", "engine/nebula_policy.h" } do
  local text = declarations(path)
  ffi.cdef(text)
  put_structs(text)
  put_constants(text)
  put_functions(text)
end
table.sort(lines)
print("abi " .. (...))
print(table.concat(lines, "\n"))
