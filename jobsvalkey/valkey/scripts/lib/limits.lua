-- Limits that change, and what is offered under them.
-- uses: keys time fielded batches layout lines slots claims leaving

-- Look at up to `most` of the lines whose limit has changed, and, if it `is_recovery`, at lanes that something was in the way
-- of; whether there are more of the former.
local function sweep(most, is_recovery)
  local sweeps = redis.call('HGETALL', SWEEPS)
  for n = 1, #sweeps / 2 do
    local at = 2 * ((now + n) % (#sweeps / 2)) + 1 -- from anywhere, so that each has its turn, if they are too many
    local pattern, last = sweeps[at], sweeps[at + 1]
    if is_recovery or last ~= SPOILED then
      if most <= 0 then return true end
      local start, is_lane = pattern:sub(1, -2), pattern:sub(-1) ~= '*'
      local first, past = last == '' and '[' .. start or '(' .. last, '(' .. start .. '\255'
      if is_lane then first, past = '[' .. pattern .. '*', '(' .. pattern .. '+' end
      redis.call('HDEL', SWEEPS, pattern) -- it may be noted anew
      local names = redis.call('ZRANGEBYLEX', LANES, first, past, 'LIMIT', 0, is_lane and -1 or most)
      for _, name in ipairs(names) do
        local lane, priority = name:match('^(.*)%*(.*)$')
        if priority ~= '' then offer(priority, lane) end
      end
      if #names == most and not is_lane then
        redis.call('HSET', SWEEPS, pattern, names[most])
        return true
      end
      most = most - #names - 1
    end
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
      add_claim(lanes, tally_of(lane), id)
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
  local sizes, listed, names = {}, {}, ' -'
  for _, each in ipairs(redis.call('HKEYS', LIMITED)) do
    if each ~= '' and each:sub(-1) ~= '*' then
      names = ''
    elseif each ~= '' and not sizes[#each] then
      sizes[#each], listed[#listed + 1] = true, #each - 1
    end
  end
  table.sort(listed, function(a, b) return a > b end)
  redis.call('HSET', LIMITED, '', table.concat(listed, ' ') .. names)
  redis.call('HSET', SWEEPS, pattern, '')
  lengths, tallies, limit_by_pattern = nil, {}, {}
end
