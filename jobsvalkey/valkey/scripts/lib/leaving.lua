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

-- The claims have ended; whether a lane that was full has room now.
local function leave_slots(lanes)
  local is_news = false
  for lane, ids in pairs(lanes) do
    local slots, held_back = slots_of(lane), held_back_of(lane)
    pcall(batch, 'SREM', slots, ids)
    if redis.call('EXISTS', slots) == 0 then redis.call('ZREM', LANES, lane .. '*') end
    local turns = redis.pcall('ZRANGE', held_back, 0, -1, 'WITHSCORES')
    if turns[1] and room(lane) > 0 then
      is_news = true
      redis.call('DEL', held_back)
      for n = 1, #turns, 2 do
        redis.pcall('ZADD', offers_of(turns[n]), turns[n + 1], lane)
        redis.call('ZADD', PRIORITIES, turns[n], turns[n])
      end
    end
  end
  return is_news
end
