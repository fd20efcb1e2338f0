-- Whose turn it is: the due jobs of all lines, in the order in which they are claimed.
-- uses: lines slots

-- Those of one line, one after the other: a function that returns id and score. `size` is how many are read at once.
local function due_in_line(key, size, is_wanted)
  local until_then, from, found, at = tonumber(seconds(now)), 0, {}, 1
  return function()
    while true do
      if not found[at] then
        found, at = redis.pcall('ZRANGE', key, from, from + size - 1, 'WITHSCORES'), 1
        from = from + size
      end
      local id, score = found[at], found[at + 1]
      if not id or tonumber(score) > until_then then return nil end
      at = at + 2
      if is_wanted(id) then return id, score end
    end
  end
end

-- As many due jobs as fit, id, score, id, score, …; by id whether it is fielded, or its line; a function that takes the first
-- of them; and whether that has something to do even if none is taken. `plain` and `kinds` are these of the jobs without a
-- line. At most `looks` lines and expired jobs are passed over.
local function in_turn(plain, kinds, most, looks, has_more_overdue)
  local priorities = redis.call('ZRANGE', PRIORITIES, 0, -1)
  if #priorities == 0 then return plain, kinds, nil end
  local due, passed = {}, 0
  local latest, plain_turn = unpack(redis.call('HMGET', TURNS, 'latest', 'plain'), 1, 2)
  latest, plain_turn = tonumber(latest or 0), tonumber(plain_turn or 0)
  local function may_run(id)
    local expires = has_more_overdue and tonumber(redis.call('ZSCORE', ENDS_AT, id) or nil)
    if not expires or expires > now then return true end
    passed = passed + 1
    return false
  end
  -- The next due job of a line, if its lane may have one more.
  local rooms, begun, is_late = {}, {}, false
  local function next_of(line)
    local lane = line.lane
    if not lane or lane == '' or not has_limits() then return line.next() end
    if not rooms[lane] then
      rooms[lane], begun[lane] = allowed_at(lane, 0) <= now and room(lane) or 0, 0
      is_late = is_late or rooms[lane] <= 0 -- it has a lower limit since, and was not looked at
    end
    if rooms[lane] <= 0 then return nil end
    local id, score = line.next()
    if id then
      begun[lane] = begun[lane] + 1
      rooms[lane] = allowed_at(lane, begun[lane]) <= now and rooms[lane] - 1 or 0
    end
    return id, score
  end
  local at = 1
  while tonumber(priorities[at] or 0) < 0 do at = at + 1 end
  if plain[1] and priorities[at] ~= '0' then table.insert(priorities, at, '0') end

  for n = #priorities, 1, -1 do
    local priority = priorities[n]
    local left, lines = most - #due / 2, {}
    local last = whole(math.max(now, latest))
    local offers = left > 0
      and redis.pcall('ZRANGEBYSCORE', offers_of(priority), '-inf', last, 'WITHSCORES', 'LIMIT', 0, left + looks) or {}
    local size = math.max(1, math.ceil(left / math.max(1, #offers / 2)))
    for n = 1, #offers, 2 do
      local key = line_of(priority, offers[n])
      lines[#lines + 1] = {
        priority = priority, lane = offers[n], key = key, turn = tonumber(offers[n + 1]), ids = {},
        next = due_in_line(key, size, may_run),
      }
    end
    if priority == '0' and plain[1] then
      local turn, place, next_plain = math.max(micro(plain[2]), plain_turn), 1, -1
      while lines[place] and lines[place].turn < turn do place = place + 1 end
      local function next_of_plain()
        next_plain = next_plain + 2
        return plain[next_plain], plain[next_plain + 1]
      end
      table.insert(lines, place, { next = next_of_plain })
    end
    while #lines > 0 and #due < 2 * most and passed <= looks do
      local waiting = {}
      for _, line in ipairs(lines) do
        if #due == 2 * most then break end
        local id, score = next_of(line)
        if id then
          due[#due + 1], due[#due + 2], waiting[#waiting + 1] = id, score, line
          if line.key then kinds[id] = line end
        end
      end
      lines = waiting
    end
  end

  -- Take the first of these jobs, so many of them, from their lines, which wait anew, behind all that wait now. `claimed` are
  -- those of them that were claimed. Whether a lane has begun as many as its rate allows.
  local function serve(taken, claimed)
    local served, laned, plain, are_right = {}, {}, nil, {}
    for n = 1, taken do
      local id = due[2 * n - 1]
      local line = kinds[id]
      latest = math.max(now, latest) + 1
      if type(line) == 'table' then
        if #line.ids == 0 then served[#served + 1] = line end
        line.turn, line.ids[#line.ids + 1], laned[#laned + 1] = latest, id, id
      else
        plain = whole(latest)
      end
    end
    batch('ZREM', LANED, laned)
    if has_limits() then
      -- uses: leaving
      local lanes = {}
      for _, id in ipairs(claimed) do
        local lane = type(kinds[id]) == 'table' and kinds[id].lane or ''
        if lane ~= '' then
          lanes[lane] = lanes[lane] or {}
          table.insert(lanes[lane], id)
        end
      end
      take_slots(lanes)
    end
    for _, line in ipairs(served) do
      batch('ZREM', line.key, line.ids)
      offer(line.priority, line.lane, line.turn)
      are_right[line.key] = true
    end
    local is_rated = false
    for lane, left in pairs(rooms) do
      is_rated = is_rated or left <= 0 and allowed_at(lane, 0) > now
      for _, priority in ipairs(left <= 0 and priorities_of(lane) or {}) do
        if not are_right[line_of(priority, lane)] then offer(priority, lane) end
      end
    end
    if taken == 0 then return false end
    redis.call('HSET', TURNS, 'latest', whole(latest))
    if plain then redis.call('HSET', TURNS, 'plain', plain) end
    return is_rated
  end
  return due, kinds, serve, is_late
end
