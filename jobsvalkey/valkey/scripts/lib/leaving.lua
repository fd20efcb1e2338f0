-- Claims of jobs with a lane begin and end, in a queue that has had a limit.
-- uses: time lines slots batches

-- Drop the times of up to `most` lanes that have been idle for so long that none of them counts.
local function forget_times(most)
  if is_injected then return end
  local lanes = redis.call('ZRANGEBYSCORE', RATED, '-inf', whole(now), 'LIMIT', 0, most)
  for _, lane in ipairs(lanes) do
    local limit, rate = limit_of(lane), rate_of(lane)
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

-- Note claims, by lane. The lanes of which it is known that their rates allow more.
local function take_slots(lanes)
  local names, forgotten, may_more, time = {}, {}, {}, whole(now)
  for lane, ids in pairs(lanes) do
    try_batch('SADD', slots_of(lane), ids)
    names[#names + 1], names[#names + 2] = 0, lane .. '*'
    local limit = limit_of(lane)
    if limit and limit.n then
      local rate, times = rate_of(lane), {}
      for n = 1, #ids do times[n] = time end
      local length = try_batch('RPUSH', rate, times)
      if length and length > limit.n then redis.call('LTRIM', rate, -limit.n, -1) end
      may_more[lane] = length and length < limit.n
      forgotten[#forgotten + 1], forgotten[#forgotten + 2] = whole(now + limit.per), lane
    end
  end
  batch('ZADD', LANES, names)
  batch('ZADD', RATED, forgotten)
  if #forgotten > 0 then forget_times(#forgotten) end
  return may_more
end

-- Let lines keep their turns without being offered: by lane ` PRIORITY=TURN` of each of them.
local function hold_all_back(lines)
  local lanes, held = {}, {}
  for lane in pairs(lines) do lanes[#lanes + 1] = lane end
  for n, others in ipairs(gather('HMGET', HELD_BACK, lanes)) do
    held[2 * n - 1], held[2 * n] = lanes[n], (others or '') .. lines[lanes[n]]
  end
  batch('HSET', HELD_BACK, held)
end

-- The claims have ended. The latest turn of the lines that have room now, if there are any; the present if it is not known.
local function leave_slots(lanes)
  local latest, names, idle, open, held, offers, lost, gone = nil, {}, {}, {}, {}, {}, {}, {}
  for lane in pairs(lanes) do names[#names + 1] = lane end
  read_limits_of(names)
  for lane, ids in pairs(lanes) do
    local limit, slots = limit_of(lane), slots_of(lane)
    try_batch('SREM', slots, ids)
    local left = redis.pcall('SCARD', slots)
    if left == 0 then idle[#idle + 1] = lane .. '*' end
    local places = limit and limit.most and type(left) == 'number' and limit.most - left or 0
    if places > 0 and places <= #ids then open[#open + 1] = lane end -- it was full
  end
  batch('ZREM', LANES, idle)
  for n, turns in ipairs(gather('HMGET', HELD_BACK, open)) do
    local lane = open[n]
    if turns then held[#held + 1] = lane end
    for priority, turn in (turns or ''):gmatch('(%S+)=(%d+)') do
      local list = offers[priority] or {}
      list[#list + 1], list[#list + 2], offers[priority] = turn, lane, list
      latest = math.max(latest or 0, tonumber(turn))
    end
    for _, priority in ipairs(turns and {} or priorities_of(lane)) do -- if it waits all the same, its turn was lost
      if offer(priority, lane) then latest = math.max(latest or 0, now) end
    end
  end
  for priority, list in pairs(offers) do
    if try_batch('ZADD', offers_of(priority), list) then
      redis.call('ZADD', PRIORITIES, priority, priority)
    else
      for at = 2, #list, 2 do lost[list[at]] = true end
    end
  end
  for _, lane in ipairs(held) do
    if lost[lane] then redis.call('HSET', SWEEPS, lane, SPOILED) else gone[#gone + 1] = lane end
  end
  batch('HDEL', HELD_BACK, gone)
  return latest
end
