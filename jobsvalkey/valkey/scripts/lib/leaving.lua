-- Claims of jobs with a lane begin and end, in a queue that has had a limit.
-- uses: time lines slots batches

-- Drop the times of up to `most` lanes that have been idle for so long that none of them counts.
local function forget_times(most)
  if is_injected then return end
  local lanes = redis.call('ZRANGEBYSCORE', RATED, '-inf', whole(now), 'LIMIT', 0, most)
  for _, lane in ipairs(lanes) do
    local limit, rate = tally_of(lane).limit, rate_of(lane)
    local last = redis.pcall('LINDEX', rate, -1)
    local ends = limit and limit.n and type(last) == 'string' and (tonumber(last) or 0) + limit.per or 0
    redis.call('ZREM', RATED, lane) -- a removal first, for a full server
    if ends > now then -- it may be longer since
      redis.call('ZADD', RATED, whole(ends), lane)
    elseif type(last) ~= 'table' then
      redis.call('DEL', rate)
    end
  end
end

local left_idle = {} -- the tallies of lanes that had no claims any more when some had ended, and are still listed

-- Lanes that still have room are offered, and those that are still idle are not listed any more, but for their lines.
local function end_leaving()
  offer_reopened()
  local names = {}
  for _, tally in ipairs(left_idle) do
    if tally.is_idle then names[#names + 1], tally.is_idle = tally.name .. '*', false end
  end
  batch('ZREM', LANES, names)
  left_idle = {}
end

-- Note a new claim in the tally of its lane, and that among those of lanes that have some.
local function add_claim(begun, tally, id)
  local ids = tally.ids
  if ids then ids[#ids + 1] = id else tally.ids, begun[#begun + 1] = { id }, tally end
end

-- Give the new claims of some lanes their slots. `allowed` is -1 of a lane of which it is known that its rate allows more.
local function take_slots(begun)
  local names, forgotten, time = {}, {}, whole(now)
  for _, tally in ipairs(begun) do
    local lane, limit, ids = tally.name, tally.limit, tally.ids
    try_batch('SADD', slots_of(lane), ids)
    tally.claims = nil
    if tally.is_idle then tally.is_idle = false else names[#names + 1], names[#names + 2] = 0, lane .. '*' end
    if limit and limit.n then
      local rate, times = rate_of(lane), {}
      for n = 1, #ids do times[n] = time end
      local length = try_batch('RPUSH', rate, times)
      if length and length > limit.n then redis.call('LTRIM', rate, -limit.n, -1) end
      if length and length < limit.n then tally.allowed = -1 end
      forgotten[#forgotten + 1], forgotten[#forgotten + 2] = whole(now + limit.per), lane
    end
  end
  batch('ZADD', LANES, names)
  batch('ZADD', RATED, forgotten)
  if #forgotten > 0 then forget_times(#forgotten) end
end

-- The claims have ended, and `end_leaving` is to follow. The latest turn of the lines that have room now, if there are any; the
-- present if it is not known.
local function leave_slots(lanes)
  local latest, open, keys, is_in_order = nil, {}, {}, true
  read_limits_of(lanes)
  for n, lane in ipairs(lanes) do
    keys[n] = slots_of(lane)
    try_batch('SREM', keys[n], lanes[lane])
  end
  local has_claims = count_existing(keys) > 0 -- one command instead of many, if all of them were full with what has ended
  for n, lane in ipairs(lanes) do
    local tally, ids, left = tally_of(lane), lanes[lane], has_claims and redis.pcall('SCARD', keys[n]) or 0
    local limit = tally.limit
    if left == 0 and not tally.is_idle then tally.is_idle, left_idle[#left_idle + 1] = true, tally end
    if type(left) == 'number' then
      tally.claims = left
      local places = limit and limit.most and limit.most - left or 0
      if places > 0 and places <= #ids then open[#open + 1] = lane end -- it was full
    end
  end
  -- Which priorities these may have lines of: those in use, or, if these are many, what is listed of each lane.
  local priorities, by_priority, is_found = redis.call('ZRANGE', PRIORITIES, 0, -1), {}, {}
  if #priorities > 8 then
    for _, lane in ipairs(open) do
      for _, priority in ipairs(priorities_of(lane)) do
        by_priority[priority] = by_priority[priority] or {}
        table.insert(by_priority[priority], lane)
      end
    end
  else
    for _, priority in ipairs(priorities) do by_priority[priority] = open end
  end
  for priority, names in pairs(by_priority) do
    local again = {}
    local has_places, places = pcall(gather, 'ZMSCORE', offers_of(priority), names)
    for n, place in ipairs(has_places and places or {}) do
      if place then
        local turn = turn_at(tonumber(place))
        is_in_order = is_in_order and turn > (again[#again] or -1)
        again[#again + 1], again[#again + 2], is_found[names[n]] = names[n], turn, true
        latest = math.max(latest or 0, turn)
      end
    end
    if again[1] then reopened[priority] = again end
  end
  if not is_in_order then offer_reopened() end
  for _, lane in ipairs(open) do
    for _, priority in ipairs(is_found[lane] and {} or priorities_of(lane)) do -- if it waits all the same, its turn was lost
      if offer(priority, lane) then latest = math.max(latest or 0, now) end
    end
  end
  return latest
end
