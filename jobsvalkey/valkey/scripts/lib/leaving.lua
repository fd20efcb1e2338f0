-- Claims of jobs with a lane begin and end, in a queue that has had a limit.
-- uses: time lines slots batches

-- Note claims, by lane.
local function take_slots(lanes)
  for lane, ids in pairs(lanes) do
    local slots = slots_of(lane)
    pcall(batch, 'SADD', slots, ids)
    if redis.pcall('SCARD', slots) == #ids then redis.call('ZADD', LANES, 0, lane .. '*') end
    local limit = limit_of(lane)
    if limit and limit.n then
      local rate, times = rate_of(lane), {}
      for n = 1, #ids do times[n] = whole(now) end
      pcall(batch, 'RPUSH', rate, times)
      redis.pcall('LTRIM', rate, -limit.n, -1)
      if not is_injected then redis.pcall('PEXPIRE', rate, math.ceil(limit.per / 1000)) end
    end
  end
end

-- The claims have ended. The latest turn of the lines that have room now, if there are any; the present if it is not known.
local function leave_slots(lanes)
  local latest
  for lane, ids in pairs(lanes) do
    local slots, held_back = slots_of(lane), held_back_of(lane)
    pcall(batch, 'SREM', slots, ids)
    if redis.call('EXISTS', slots) == 0 then redis.call('ZREM', LANES, lane .. '*') end
    local turns = redis.pcall('ZRANGE', held_back, 0, -1, 'WITHSCORES')
    local places = room(lane) or 0
    if places > 0 and turns[1] then
      redis.call('DEL', held_back)
      for n = 1, #turns, 2 do
        redis.pcall('ZADD', offers_of(turns[n]), turns[n + 1], lane)
        redis.call('ZADD', PRIORITIES, turns[n], turns[n])
        latest = math.max(latest or 0, tonumber(turns[n + 1]))
      end
    elseif places > 0 and places <= #ids then -- it was full: if a line waits all the same, its turn was lost
      for _, priority in ipairs(priorities_of(lane)) do
        if offer(priority, lane) then latest = math.max(latest or 0, now) end
      end
    end
  end
  return latest
end
