-- Lanes with a limit. From when a queue has its first limit on, each claim of a job with a lane is among the slots of the
-- lane. A lane with as many as it may have is full. If its rate is limited, the times of its last claims are listed.
-- uses: keys fielded
local LIMITED = META .. '_limits' -- hash: pattern, `most n per`; and, under an empty name, how long the beginnings are
local SWEEPS = META .. '_sweeps' -- hash: pattern whose lines are still to be looked at, and the last that was
local limit_by_lane, lengths = {}, nil -- what this step has read of it
local function slots_of(lane) return META .. '_slots.' .. lane end -- set: ids of claims
local function rate_of(lane) return META .. '_rate.' .. lane end -- list: when its last claims were made (microseconds)

-- The limit of a lane; `false` for none. The name itself comes first, then the longest beginning. `most` is how many claims it
-- may have, `n` how many may begin in `per` microseconds, if these are limited.
local function limit_of(lane)
  local known = limit_by_lane[lane]
  if known ~= nil then return known end
  lengths = lengths or redis.call('HGET', LIMITED, '') or ''
  local patterns = { lane }
  for length in lengths:gmatch('%d+') do
    if tonumber(length) <= #lane then patterns[#patterns + 1] = lane:sub(1, length) .. '*' end
  end
  local found, text = redis.call('HMGET', LIMITED, unpack(patterns)), false
  for n = #patterns, 1, -1 do text = found[n] or text end
  local limit = false
  if text then
    local most, n, per = text:match('^(%S+) (%S+) (%S+)$')
    limit = { text = text, most = tonumber(most), n = tonumber(n), per = tonumber(per) }
  end
  limit_by_lane[lane] = limit
  return limit
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
