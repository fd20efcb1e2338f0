-- Claims of jobs with a lane begin and end, in a queue that has had a limit.
-- uses: time lines slots batches

-- Note claims, by lane.
local function take_slots(lanes)
  local names = {}
  for lane, ids in pairs(lanes) do
    pcall(batch, 'SADD', slots_of(lane), ids)
    names[#names + 1], names[#names + 2] = 0, lane .. '*'
    local limit = limit_of(lane)
    if limit and limit.n then
      local rate, times = rate_of(lane), {}
      for n = 1, #ids do times[n] = whole(now) end
      local length = 0
      pcall(batch, 'RPUSH', rate, times, function(found) length = found end)
      if length > limit.n then redis.call('LTRIM', rate, -limit.n, -1) end
      if not is_injected then redis.pcall('PEXPIRE', rate, math.ceil(limit.per / 1000)) end
    end
  end
  batch('ZADD', LANES, names)
end

-- The claims have ended. The latest turn of the lines that have room now, if there are any; the present if it is not known.
local function leave_slots(lanes)
  local latest, idle, offers, names = nil, {}, {}, {}
  for lane in pairs(lanes) do names[#names + 1] = lane end
  read_limits(names)
  for lane, ids in pairs(lanes) do
    local limit, slots = limit_of(lane), slots_of(lane)
    pcall(batch, 'SREM', slots, ids)
    local left = redis.pcall('SCARD', slots)
    if left == 0 then idle[#idle + 1] = lane .. '*' end
    local places = limit and limit.most and type(left) == 'number' and limit.most - left or 0
    if places > 0 and places <= #ids then -- it was full
      local turns = redis.pcall('ZRANGE', held_back_of(lane), 0, -1, 'WITHSCORES')
      if turns[1] or turns.err then redis.call('DEL', held_back_of(lane)) end
      for n = 1, #turns, 2 do
        local list = offers[turns[n]] or {}
        list[#list + 1], list[#list + 2], offers[turns[n]] = turns[n + 1], lane, list
        latest = math.max(latest or 0, tonumber(turns[n + 1]))
      end
      for _, priority in ipairs(turns[1] and {} or priorities_of(lane)) do -- if it waits all the same, its turn was lost
        if offer(priority, lane) then latest = math.max(latest or 0, now) end
      end
    end
  end
  batch('ZREM', LANES, idle)
  for priority, list in pairs(offers) do
    pcall(batch, 'ZADD', offers_of(priority), list)
    redis.call('ZADD', PRIORITIES, priority, priority)
  end
  return latest
end
