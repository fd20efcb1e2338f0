-- Lanes with a limit. From when a queue has its first limit on, each claim of a job with a lane is among the slots of the
-- lane. A lane with as many as it may have is full. If its rate is limited, the times of its last claims are listed.
-- uses: keys batches fielded
local LIMITED = META .. '_limits' -- hash: pattern, `most n per`; and, under an empty name, how long the beginnings are
local SWEEPS = META .. '_sweeps' -- hash: pattern whose lines are still to be looked at, and the last that was
local limit_by_lane, limit_by_pattern, lengths = {}, {}, nil -- what this step has read of it
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

-- The limit of a lane; `false` for none. The name itself comes first, then the longest beginning.
local function limit_of(lane)
  local limit = limit_by_lane[lane]
  if limit ~= nil then return limit end
  lengths = lengths or redis.call('HGET', LIMITED, '') or ''
  local patterns = { lane }
  for length in lengths:gmatch('%d+') do
    if tonumber(length) <= #lane then patterns[#patterns + 1] = lane:sub(1, length) .. '*' end
  end
  read_limits(patterns)
  for n = #patterns, 1, -1 do limit = limit_by_pattern[patterns[n]] or limit end
  limit_by_lane[lane] = limit or false
  return limit_by_lane[lane]
end

-- How many more claims a lane may have; `nil` if something else is in the place of its slots: it gets none then.
local function room(lane)
  local limit = lane ~= '' and limit_of(lane)
  if not (limit and limit.most) then return math.huge end
  local slots = redis.pcall('SCARD', slots_of(lane))
  return type(slots) == 'number' and limit.most - slots or nil
end

-- From when on a lane may begin one more claim, if it begins `more` before that: once the n-th last is `per` old. Never, if
-- something else is in the place of the times.
local function allowed_at(lane, more)
  local limit = lane ~= '' and limit_of(lane)
  if not (limit and limit.n) then return 0 end
  if more >= limit.n then return math.huge end
  local time = redis.pcall('LINDEX', rate_of(lane), more - limit.n)
  if type(time) == 'table' then return math.huge end
  time = time and tonumber(time)
  return time and time + limit.per or 0
end
