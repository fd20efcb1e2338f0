-- Limits that change, and what is offered under them.
-- uses: keys time fielded batches layout lines slots claims leaving

-- Look at a lane, or at one of its lines, whose limit has changed. A longer rate counts what the former one still knows.
local function look_again(lane, priority)
  local limit = limit_of(lane)
  if limit and limit.n and not is_injected then redis.pcall('PEXPIRE', rate_of(lane), math.ceil(limit.per / 1000), 'GT') end
  if priority ~= '' then offer(priority, lane) end
end

-- Look at up to `most` of the lines whose limit has changed, and at lanes that had something else in their way; whether there
-- are more.
local function sweep(most)
  local sweeps = redis.call('HGETALL', SWEEPS)
  for n = 1, #sweeps, 2 do
    local pattern, last = sweeps[n], sweeps[n + 1]
    local start, is_lane = pattern:sub(1, -2), pattern:sub(-1) ~= '*'
    local from, to = last == '' and '[' .. start or '(' .. last, '(' .. start .. '\255'
    if is_lane then
      from, to = '[' .. pattern .. '*', '(' .. pattern .. '+'
      look_again(pattern, '')
    end
    redis.call('HDEL', SWEEPS, pattern) -- it may be noted anew
    local names = redis.call('ZRANGEBYLEX', LANES, from, to, 'LIMIT', 0, is_lane and -1 or most)
    for _, name in ipairs(names) do
      local lane, priority = name:match('^(.*)%*(.*)$')
      look_again(lane, priority)
    end
    if #names == most and not is_lane then
      redis.call('HSET', SWEEPS, pattern, names[most])
      return true
    end
    most = most - #names - 1
    if most <= 0 then return n + 1 < #sweeps end
  end
  return false
end

-- Claims that were made before the first limit have no slots.
local function take_slots_of_all()
  local claims, lanes = redis.call('HGETALL', CLAIMED), {}
  for n = 1, #claims, 2 do
    local id, claim = claims[n], claims[n + 1]
    local lane = select(7, parse_claim(claim)) and redis.pcall('HGET', fields_of(id), 'lane')
    if type(lane) == 'string' then
      local head, notes, rest = claim:match('^(%S+ %d+ %S+ )(%S+)(.*)$')
      redis.call('HSET', CLAIMED, id, head .. with_lane(notes, lane) .. rest)
      lanes[lane] = lanes[lane] or {}
      table.insert(lanes[lane], id)
    end
  end
  take_slots(lanes)
end

-- Set the limit of a pattern, or, without one, forget it; the lines of more lanes than one are still to be looked at.
local function set_limit(pattern, limit)
  if not has_limits() then
    if limit == '' then return end
    begin_to_use('c')
    take_slots_of_all()
  end
  if limit == '' then redis.call('HDEL', LIMITED, pattern) else redis.call('HSET', LIMITED, pattern, limit) end
  local sizes, listed = {}, {}
  for _, each in ipairs(redis.call('HKEYS', LIMITED)) do
    if each:sub(-1) == '*' and not sizes[#each] then
      sizes[#each], listed[#listed + 1] = true, #each - 1
    end
  end
  table.sort(listed, function(a, b) return a > b end)
  redis.call('HSET', LIMITED, '', table.concat(listed, ' '))
  redis.call('HSET', SWEEPS, pattern, '')
  lengths, limit_by_lane, limit_by_pattern = nil, {}, {}
end
