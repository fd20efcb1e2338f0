-- Whose turn it is: the due jobs of all lines, in the order in which they are claimed.
-- uses: lines slots

-- The next due job of a line that is wanted, and its score. `size` are read at once, one more than is needed: that one tells
-- which job is the first when the others are taken. A line has what was read of it, `found`, as far as `at`; nothing comes
-- after that if it `is_whole`; and its first jobs that are `taken`. It is lost if it is offered, and has none.
local function next_in(line, size, is_wanted)
  while true do
    local at = line.at
    if not line.found[at] then
      if line.is_whole then return nil end
      local found = redis.pcall('ZRANGE', line.key, (at - 1) / 2, (at - 1) / 2 + size - 1, 'WITHSCORES')
      line.is_whole = #found < 2 * size
      if at == 1 then line.found = found else for n = 1, #found do line.found[at + n - 1] = found[n] end end
    end
    local id, score = line.found[at], line.found[at + 1]
    if not id or micro(score) > now then return nil end
    line.at = at + 2
    if not is_wanted or is_wanted(id) then return id, score end
  end
end
local NOTHING = {} -- what was read of a line at first

-- As many due jobs as fit, id, score, id, score, …; by id whether it is fielded, or its line; a function that takes the first
-- of them; whether that has something to do even if none is taken; and whether a line is lost. `plain` and `kinds` are these of the jobs without a
-- line. At most `looks` lines and expired jobs are passed over.
local function in_turn(plain, kinds, most, looks, has_more_overdue)
  local priorities = redis.call('ZRANGE', PRIORITIES, 0, -1)
  if #priorities == 0 then return plain, kinds, nil end
  local due, passed, has_several = {}, 0, #priorities > 1
  local latest, plain_turn = unpack(redis.call('HMGET', TURNS, 'latest', 'plain'), 1, 2)
  latest, plain_turn = tonumber(latest or 0), tonumber(plain_turn or 0)
  local may_run
  if has_more_overdue then
    function may_run(id)
      local expires = tonumber(redis.call('ZSCORE', ENDS_AT, id) or nil)
      if not expires or expires > now then return true end
      passed = passed + 1
      return false
    end
  end
  -- The next due job of a line, if its lane may have one more.
  local looked, is_late, is_limited, has_lost = {}, false, has_limits(), false
  local function next_of(line, size)
    local lane = line.lane
    if not lane then
      line.at = line.at + 2
      return plain[line.at - 2], plain[line.at - 1]
    end
    if lane == '' or not is_limited then return next_in(line, size, may_run) end
    local tally = tally_of(lane)
    local before = tally.chosen
    if not tally.places then tally.places, looked[#looked + 1] = room(lane) or 0, tally end
    if before >= tally.places or allowed_at(lane, before) > now then
      is_late = is_late or before == 0 -- it has a lower limit since, and was not looked at
      return nil
    end
    local id, score = next_in(line, size, may_run)
    if id then tally.chosen = before + 1 end
    return id, score
  end
  local at = 1
  while tonumber(priorities[at] or 0) < 0 do at = at + 1 end
  if plain[1] and priorities[at] ~= '0' then table.insert(priorities, at, '0') end

  local last = whole(math.max(now, latest))
  for n = #priorities, 1, -1 do
    local priority = priorities[n]
    local waiting, size = {}, 2
    local function take_one(line)
      if #due == 2 * most then return end
      local id, score = next_of(line, size)
      if id then
        due[#due + 1], due[#due + 2], waiting[#waiting + 1] = id, score, line
        if line.lane then kinds[id] = line end
      end
      has_lost = has_lost or line.found and line.found ~= NOTHING and not line.found[1]
    end
    -- The first job of each line. More lines are read only if the first ones do not give enough.
    local plain_line = priority == '0' and plain[1] and { at = 1, turn = math.max(micro(plain[2]), plain_turn) }
    local from, is_more, again = 0, #due < 2 * most, reopened[priority]
    if again and redis.call('ZRANGEBYSCORE', offers_of(priority), 0, last, 'LIMIT', 0, 1)[1] then -- they come in between
      offer_reopened()
      again = nil
    end
    for _, wanted in ipairs({ most - #due / 2, looks }) do
      local offers = again or is_more
        and redis.pcall('ZRANGEBYSCORE', offers_of(priority), 0, last, 'WITHSCORES', 'LIMIT', from, wanted) or {}
      is_more = not again and #offers == 2 * wanted and #due < 2 * most and passed <= looks
      again = nil
      if from == 0 and #offers < 2 * wanted then size = 1 + math.ceil(wanted / math.max(1, #offers / 2)) end
      if is_limited then
        local names = {}
        for n = 1, #offers, 2 do names[#names + 1] = offers[n] end
        read_limits_of(names)
      end
      local key = line_of(priority, '')
      for n = 1, #offers, 2 do
        if plain_line and plain_line.turn <= tonumber(offers[n + 1]) then
          take_one(plain_line)
          plain_line = nil
        end
        local lane = offers[n]
        take_one({ priority = priority, lane = lane, key = key .. lane, found = NOTHING, is_whole = false, at = 1, taken = 0, turn = 0 })
      end
      is_more, from = is_more and #due < 2 * most and passed <= looks, from + wanted
    end
    if plain_line then take_one(plain_line) end
    -- And then one of each line that had one, in the same order.
    while #waiting > 0 and #due < 2 * most and passed <= looks do
      local lines = waiting
      waiting = {}
      for _, line in ipairs(lines) do take_one(line) end
    end
  end

  -- Take the first of these jobs, so many of them, from their lines, which wait anew, behind all that wait now. `claimed` are
  -- those of them that were claimed. Whether a lane has begun as many as its rate allows.
  local function serve(taken, claimed)
    local served, laned, plain = {}, {}, nil
    for n = 1, taken do
      local id = due[2 * n - 1]
      local line = kinds[id]
      latest = math.max(now, latest) + 1
      if type(line) == 'table' then
        if line.taken == 0 then served[#served + 1] = line end
        line.turn, line.taken, laned[#laned + 1] = latest, line.taken + 1, id
        if has_more_overdue then redis.call('ZREM', line.key, id) end
      else
        plain = whole(latest)
      end
    end
    batch('ZREM', LANED, laned)
    local is_right = {}
    if is_limited then
      -- uses: leaving
      local begun = {}
      for _, id in ipairs(claimed) do
        local line = kinds[id]
        if type(line) == 'table' and line.lane ~= '' then add_claim(begun, tally_of(line.lane), id) end
      end
      take_slots(begun)
      for _, line in ipairs(served) do
        local tally = line.lane ~= '' and tally_of(line.lane)
        if tally and not tally.ids then tally.ids = NOTHING end -- what it was served were no jobs
      end
      for _, tally in ipairs(looked) do
        tally.allowed = tally.allowed < 0 and 0 or allowed_at(tally.name, 0)
        tally.places = tally.places - #(tally.ids or NOTHING)
      end
    end
    -- The lines that were served, those of one priority by one command.
    local stay, go, empty = {}, {}, {}
    for _, line in ipairs(served) do
      local priority, lane = line.priority, line.lane
      stay[priority], go[priority] = stay[priority] or {}, go[priority] or {}
      local tally = is_limited and lane ~= '' and tally_of(lane)
      if has_several then is_right[line.key] = true end
      if not has_more_overdue then redis.call('ZREMRANGEBYRANK', line.key, 0, line.taken - 1) end
      local first, list = line.found[2 * line.taken + 2], stay[priority]
      if has_more_overdue or not (first or line.is_whole) then first = redis.call('ZRANGE', line.key, 0, 0, 'WITHSCORES')[2] end
      if first then
        local turn = math.max(micro(first), line.turn, tally and tally.allowed or 0)
        list[#list + 1], list[#list + 2] = tally and tally.places <= 0 and held_back(turn) or turn, lane
      else
        if lane ~= '' then empty[#empty + 1] = lane .. '*' .. priority end
        table.insert(go[priority], lane)
      end
    end
    batch('ZREM', LANES, empty)
    for priority, lanes in pairs(go) do
      batch('ZREM', offers_of(priority), lanes)
      batch('ZADD', offers_of(priority), stay[priority])
      if #stay[priority] == 0 and redis.call('EXISTS', offers_of(priority)) == 0 then redis.call('ZREM', PRIORITIES, priority) end
    end
    local function is_served(priority, lane)
      if has_several then return is_right[line_of(priority, lane)] end
      return tally_of(lane).ids
    end
    offer_reopened(is_served)
    -- The other lines of lanes that may have no more. If one priority is all that is offered, a lane has one of them at most.
    local is_rated = false
    for _, tally in ipairs(looked) do
      local is_full, lane = tally.places <= 0, tally.name
      is_rated = is_rated or not is_full and tally.allowed > now
      if (is_full or tally.allowed > now) and (has_several or not tally.ids) then
        for _, priority in ipairs(priorities_of(lane)) do
          if not is_served(priority, lane) then offer(priority, lane) end
        end
      end
    end
    if taken == 0 then return false end
    redis.call('HSET', TURNS, 'latest', whole(latest))
    if plain then redis.call('HSET', TURNS, 'plain', plain) end
    return is_rated
  end
  return due, kinds, serve, is_late, has_lost
end
