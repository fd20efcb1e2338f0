-- Lanes with a limit. From when a queue has its first limit on, each claim of a job with a lane is among the slots of the
-- lane. A lane with as many as it may have is full.
-- uses: keys fielded
local LIMITED = META .. '_limits' -- hash: pattern, how many claims; and, under an empty name, how long the beginnings are
local limit_by_lane, lengths = {}, nil -- what this step has read of it
local function slots_of(lane) return META .. '_slots.' .. lane end -- set: ids of claims

-- How many claims a lane may have; `false` for any number. The name itself comes first, then the longest beginning.
local function limit_of(lane)
  local known = limit_by_lane[lane]
  if known ~= nil then return known end
  lengths = lengths or redis.call('HGET', LIMITED, '') or ''
  local patterns = { lane }
  for length in lengths:gmatch('%d+') do
    if tonumber(length) <= #lane then patterns[#patterns + 1] = lane:sub(1, length) .. '*' end
  end
  local found, limit = redis.call('HMGET', LIMITED, unpack(patterns)), false
  for n = #patterns, 1, -1 do limit = tonumber(found[n] or nil) or limit end
  limit_by_lane[lane] = limit
  return limit
end

-- How many more claims a lane may have: none, if something else is in the place of its slots.
local function room(lane)
  local limit = lane ~= '' and limit_of(lane)
  if not limit then return math.huge end
  local slots = redis.pcall('SCARD', slots_of(lane))
  return type(slots) == 'number' and limit - slots or 0
end
