--- kept: answers as bytes, by what was asked, so many and so large that they stay within two bounds.
--
-- A ring in the order of use: what was used longest ago leaves first. How old an answer may be is for who asks.

local BESIDE = 256 -- bytes that one takes beside its own: a table, its place here, what the collector has of it

---@class nebula.Kept
---@field count integer
---@field bytes integer
---@field private most integer
---@field private bytes_most integer
---@field private by_key table<string, nebula.KeptAnswer>
---@field private ring table the ends of the ring: after it is the one used last
local Kept = {}
Kept.__index = Kept

---@class nebula.KeptAnswer
---@field key string
---@field bytes string of codec.lua
---@field at_us number when it was given
---@field package before table
---@field package after table

local function unlink(one)
  one.before.after, one.after.before = one.after, one.before
end

local function link(ring, one)
  one.before, one.after = ring, ring.after
  ring.after.before, ring.after = one, one
end

local function size_of(one)
  return #one.key + #one.bytes + BESIDE
end

local function remove(self, one)
  unlink(one)
  self.by_key[one.key] = nil
  self.count, self.bytes = self.count - 1, self.bytes - size_of(one)
end

--- The answer to this, which is used by that.
---@param key string
---@return nebula.KeptAnswer|nil
function Kept:get(key)
  local one = self.by_key[key]
  if one then
    unlink(one)
    link(self.ring, one)
  end
  return one
end

--- Keeps an answer in the place of the one before. One that is larger than all may be is not kept.
---@param key string
---@param bytes string
---@param at_us number
function Kept:put(key, bytes, at_us)
  local before, one = self.by_key[key], { key = key, bytes = bytes, at_us = at_us }
  if before then
    remove(self, before)
  end
  if size_of(one) > self.bytes_most then return end
  link(self.ring, one)
  self.by_key[key] = one
  self.count, self.bytes = self.count + 1, self.bytes + size_of(one)
  while self.count > self.most or self.bytes > self.bytes_most do
    remove(self, self.ring.before)
  end
end

local kept = {}

---@param most integer answers
---@param bytes_most integer of all of them
---@return nebula.Kept
function kept.new(most, bytes_most)
  local ring = {}
  ring.before, ring.after = ring, ring
  return setmetatable({ most = most, bytes_most = bytes_most, by_key = {}, ring = ring, count = 0, bytes = 0 }, Kept)
end

return kept
