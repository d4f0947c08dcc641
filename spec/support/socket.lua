-- socket.lua - both ends of plain TCP on 127.0.0.1, for specs: nothing here waits longer than it is told to.
local ffi = require "ffi"
local clock = require "spec.support.clock"

ffi.cdef [[
struct spec_address { uint16_t family; uint8_t port[2]; uint8_t host[4]; uint8_t zero[8]; };
int socket(int domain, int type, int protocol);
int bind(int fd, const struct spec_address *address, unsigned size);
int listen(int fd, int backlog);
int accept4(int fd, struct spec_address *address, unsigned *size, int flags);
int connect(int fd, const struct spec_address *address, unsigned size);
int getsockname(int fd, struct spec_address *address, unsigned *size);
int shutdown(int fd, int how);
long send(int fd, const void *bytes, size_t size, int flags);
long recv(int fd, void *bytes, size_t size, int flags);
int fcntl(int fd, int command, ...);
int close(int fd);
char *strerror(int code);
]]

local C = ffi.C
local INET, STREAM, CLOEXEC, NONBLOCK, NOSIGNAL, WRITING, SET_FLAGS = 2, 1, 0x80000, 0x800, 0x4000, 1, 4
local EAGAIN, ECONNREFUSED = 11, 111

---@class spec.socket
---@field port integer? of a listener
local socket = {}
socket.__index = socket

local function address_of(port)
  return ffi.new("struct spec_address", { INET, { math.floor(port / 256), port % 256 }, { 127, 0, 0, 1 } })
end

local function new()
  return setmetatable({ fd = C.socket(INET, STREAM + CLOEXEC, 0) }, socket)
end

local function no_waiting(self)
  C.fcntl(self.fd, SET_FLAGS, ffi.cast("int", NONBLOCK))
  return self
end

local function reason()
  return nil, ffi.string(C.strerror(ffi.errno()))
end

---A port that answers as soon as somebody accepts. port 0 is any free one.
---@return spec.socket? listener, string? why
function socket.listen(port)
  local self = new()
  local address, size = address_of(port or 0), ffi.new("unsigned[1]", 16)
  if C.bind(self.fd, address, 16) < 0 or C.listen(self.fd, 16) < 0 then
    local _, why = reason()
    self:close()
    return nil, why
  end
  C.getsockname(self.fd, address, size)
  self.port = address.port[0] * 256 + address.port[1]
  return no_waiting(self)
end

---@return spec.socket? client, string? why
function socket.connect(port)
  local self = new()
  if C.connect(self.fd, address_of(port), 16) == 0 then return no_waiting(self) end
  local _, why = reason()
  self:close()
  return nil, why
end

function socket:accept()
  local fd
  clock.eventually("somebody connects", function()
    fd = C.accept4(self.fd, nil, nil, NONBLOCK + CLOEXEC)
    return fd >= 0
  end)
  return setmetatable({ fd = fd }, socket)
end

function socket:send(text)
  local sent = tonumber(C.send(self.fd, text, #text, NOSIGNAL))
  if sent < 0 then return reason() end
  return sent
end

---What has come: text, "" at the end (FIN), nil and "nothing yet" or why it broke.
---@param within? integer ms
function socket:receive(within)
  local buffer = ffi.new "char[65536]"
  local size, code
  clock.wait(function()
    size = tonumber(C.recv(self.fd, buffer, 65536, 0))
    code = ffi.errno()
    return size >= 0 or code ~= EAGAIN
  end, within or 10000)
  if size >= 0 then return ffi.string(buffer, size) end
  if code == EAGAIN then return nil, "nothing yet" end
  return nil, ffi.string(C.strerror(code))
end

---Receives until so many bytes have come, or the end.
function socket:receive_all(count)
  local got = ""
  while #got < count do
    local text, why = self:receive()
    if not text then return got, why end
    if text == "" then return got, "end" end
    got = got .. text
  end
  return got
end

---No more will be sent.
function socket:finish()
  C.shutdown(self.fd, WRITING)
end

function socket:close()
  if self.fd then C.close(self.fd) end
  self.fd = nil
end

---A port of 127.0.0.1 that nobody uses, below those that the kernel gives to clients: it stays free while a server
---is restarted.
---@return integer
function socket.free_port()
  for _ = 1, 1000 do
    local listener = socket.listen(math.random(15000, 30000))
    if listener then
      listener:close()
      return listener.port
    end
  end
  error("no free port", 2)
end

-- Two specs at a time must not draw the same ports.
math.randomseed(tonumber(ffi.cast("uintptr_t", ffi.new "char[64]") / 16 % 2 ^ 31) + math.floor(clock.now() * 1000))

socket.REFUSED = ffi.string(C.strerror(ECONNREFUSED))

return socket
