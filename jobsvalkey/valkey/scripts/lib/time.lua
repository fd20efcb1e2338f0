-- The time. It is whole microseconds in Lua, and Unix seconds with six decimals in the keys that Swift reads, too.
-- `clock` is the time where a clock is injected, else empty: then the server's clock counts.
-- context: clock
local is_injected = clock ~= ''
local now
if is_injected then
  now = tonumber(clock)
else
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

local function whole(microseconds) return string.format('%.0f', microseconds) end
local function seconds(microseconds) return string.format('%.6f', microseconds / 1000000) end
local function micro(score) return math.floor(tonumber(score) * 1000000 + 0.5) end

-- What others have written as a number: nil if it is none.
local function number(text)
  local found = tonumber(text)
  if found == found then return found end
end
