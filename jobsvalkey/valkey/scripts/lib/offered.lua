-- What is offered by lanes with room.
-- uses: time fielded lines slots

-- When the first job of a line that is offered is due; nothing if there is none, and the present if it takes more than `most`
-- looks to tell.
local function first_offered(most)
  local first
  local function consider(time) if time and time < (first or math.huge) then first = time end end
  local last = math.max(now, tonumber(redis.call('HGET', TURNS, 'latest') or 0))
  for _, priority in ipairs(redis.call('ZRANGE', PRIORITIES, 0, -1)) do
    local offers = offers_of(priority)
    local near = redis.pcall('ZRANGEBYSCORE', offers, 0, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if near[2] and tonumber(near[2]) <= now then return now end
    near = redis.pcall('ZRANGEBYSCORE', offers, 0, whole(last), 'WITHSCORES', 'LIMIT', 0, most)
    if #near == 2 * most then return now end
    for n = 1, #near, 2 do
      local due = redis.pcall('ZRANGE', line_of(priority, near[n]), 0, 0, 'WITHSCORES')[2]
      consider(due and math.max(micro(due), allowed_at(near[n], 0)))
    end
    consider(tonumber(redis.pcall('ZRANGEBYSCORE', offers, '(' .. whole(last), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]))
  end
  return first
end
