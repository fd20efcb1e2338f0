-- Lanes with a limit. From when a queue has its first limit on, each claim of a job with a lane is among the slots of the
-- lane. A lane with as many as it may have is full. If its rate is limited, the times of its last claims are listed.
-- uses: keys batches fielded
-- hash: pattern, `most n per`; under an empty name how long the beginnings are, and `-` if there are no names of lanes
local LIMITED = META .. '_limits'
local SWEEPS = META .. '_sweeps' -- hash: pattern whose lines are still to be looked at, and the last that was
local SPOILED = '!' -- in place of that: something is in the way of the lane
local RATED = META .. '_rated' -- zset: lane with times of claims, when they are to be forgotten (microseconds)
local limit_by_pattern, lengths = {}, nil -- what this step has read of the limits
-- What it knows of each lane, in one table, for there may be many: its `name`; its `limit`, `false` for none; how many `claims` it
-- has, if they were counted; whether it `is_idle`, and still listed; how many `places` there are for more claims, and how many jobs
-- were `chosen` for them; from when on one more is `allowed`; and, if one of its lines was served, the `ids` of its new claims.
local tallies = {}
local function slots_of(lane) return META .. '_slots.' .. lane end -- set: ids of claims
local function rate_of(lane) return META .. '_rate.' .. lane end -- list: when its last claims were made (microseconds)

-- Read the limits of some lanes, or patterns, that are not known yet, by one command. `most` is how many claims a lane may have,
-- `n` how many may begin in `per` microseconds, if these are limited; `false` for no limit.
local function read_limits(patterns)
  local unknown = {}
  for _, pattern in ipairs(patterns) do
    if limit_by_pattern[pattern] == nil then unknown[#unknown + 1], limit_by_pattern[pattern] = pattern, false end
  end
  for at, text in ipairs(gather('HMGET', LIMITED, unknown)) do
    if text then
      local most, n, per = text:match('^(%S+) (%S+) (%S+)$')
      limit_by_pattern[unknown[at]] = { text = text, most = tonumber(most), n = tonumber(n), per = tonumber(per) }
    end
  end
end

-- Read what is needed for the limits of some lanes.
local function read_limits_of(lanes)
  if not lengths then
    local listed = redis.call('HGET', LIMITED, '') or ''
    lengths = { has_names = not listed:find('-', 1, true) }
    for length in listed:gmatch('%d+') do lengths[#lengths + 1] = tonumber(length) end
  end
  if lengths.has_names then read_limits(lanes) end
end

-- The tally of a lane. For its limit the name itself comes first, then the longest beginning.
local function tally_of(lane)
  local tally = tallies[lane]
  if tally then return tally end
  if not lengths or lengths.has_names then read_limits_of({ lane }) end
  local limit = limit_by_pattern[lane] or false
  for _, length in ipairs(lengths) do
    if limit then break end
    if length <= #lane then
      local pattern = lane:sub(1, length) .. '*'
      if limit_by_pattern[pattern] == nil then read_limits({ pattern }) end
      limit = limit_by_pattern[pattern]
    end
  end
  tally = { name = lane, limit = limit, claims = nil, is_idle = false, places = nil, chosen = 0, allowed = 0, ids = nil }
  tallies[lane] = tally
  return tally
end

-- How many more claims a lane may have; `nil` if something else is in the place of its slots: it gets none then.
local function room(lane)
  local tally = lane ~= '' and tally_of(lane)
  local limit = tally and tally.limit
  if not (limit and limit.most) then return math.huge end
  local slots = tally.claims or redis.pcall('SCARD', slots_of(lane))
  return type(slots) == 'number' and limit.most - slots or nil
end

-- From when on a lane may begin one more claim, if it begins `more` before that: once the n-th last is `per` old. Never, if
-- something else is in the place of the times.
local function allowed_at(lane, more)
  local limit = lane ~= '' and tally_of(lane).limit
  if not (limit and limit.n) then return 0 end
  if more >= limit.n then return math.huge end
  local time = redis.pcall('LINDEX', rate_of(lane), more - limit.n)
  if type(time) == 'table' then return math.huge end
  time = time and tonumber(time)
  return time and time + limit.per or 0
end
