-- What a push does, if it cannot just store all its jobs.
-- uses: jobs duplicates naming holding

-- Look at jobs one after the other, as if those before had been pushed: for each `1`, it is stored, `0`, its id is known,
-- `n`, its name is held, or `r`, it replaces the holder; then the holders of those two kinds; then what goes to `store`,
-- and what is to be done after that. If a job cannot be held by what it names, only the answer that says so.
-- `are_fresh` if it is known that nothing is there or left under any of the ids.
local function plan(jobs, each_job, are_fresh)
  local heads, requests, letters, holders = {}, {}, {}, {}
  for _, head, request in each_job do heads[#heads + 1], requests[#requests + 1] = head, request end

  -- What each job that is written is to have: number of the job whose request, due time and fields it gets, and of its own
  -- push; or, if it was there, its state and score.
  local planned, by_id, by_name, remains = {}, {}, {}, {}
  local stands, names, held_names = {}, {}, {}
  for _, unique in pairs(jobs.uniques) do names[#names + 1] = unique.name end
  for n, entry in ipairs(gather('HMGET', NAMES, names)) do held_names[names[n]] = entry end
  local looks, look = holds_of_push(stands, by_id)
  local function add(id, name, own, state, score)
    by_id[id] = { id = id, name = name, by = own, own = own, state = state, score = score }
    planned[#planned + 1] = by_id[id]
    return by_id[id]
  end
  for n, id in ipairs(jobs.ids) do
    local unique, is_duplicate, ended = jobs.uniques[n], by_id[id] ~= nil, nil
    if not is_duplicate and not are_fresh then is_duplicate, ended = is_known(id) end
    local holder = unique and not is_duplicate and (by_name[unique.name] or holder_of(unique.name, held_names[unique.name]))
    letters[n] = is_duplicate and '0' or holder and 'n' or '1'
    if holder then
      holders[#holders + 1] = holder
      local is_replacing = unique.otherwise == 'replace' and not jobs.held[n] and not looks[holder]
        and (by_id[holder] or not is_tied(holder)) -- of one that is written here there may be what an earlier job has left
      local place = is_replacing and by_id[holder]
      if is_replacing and not place and is_named(holder, unique.name) then
        local state, score = find_job(holder)
        if state == 'pending' or state == 'paused' then place = add(holder, unique.name, nil, state, score) end
      end
      if place and place.name == unique.name then place.by, letters[n] = n, 'r' end
    elseif not is_duplicate then
      local refusal = jobs.held[n] and look(id, jobs.held[n])
      if refusal then return refusal end
      add(id, unique and unique.name, n)
      remains[id] = ended
      if unique then by_name[unique.name] = id end
    end
    stands[id] = holder or id
  end

  local n, is_parent = 0, {}
  for _, look_of_id in pairs(looks) do
    for _, parent in ipairs(look_of_id.parents) do is_parent[parent[1]] = true end
  end
  local todo = jobs_of(function()
    n = n + 1
    local place = planned[n]
    if not place then return nil end
    local head = heads[place.by]
    if is_parent[place.id] and not head:find('^%S+ %S+ %S+ ') then -- it is a fielded one: Swift would tell nobody of its end
      head = (#head > 36 and head or head .. ' now -') .. ' parent:1'
    end
    if place.by ~= place.own then
      local due, rest = head:match('^%S+ (%S+) %S+(.*)$')
      head = place.id .. ' ' .. due .. ' ' .. (place.own and heads[place.own]:match('^%S+ %S+ (%S+)') or '-') .. rest
    end
    return n, head, requests[place.by]
  end)
  local entries = todo.others
  todo.others, todo.paused = {}, {}
  for at = 1, #entries, 2 do
    local list = by_id[entries[at + 1]].state == 'paused' and todo.paused or todo.others
    list[#list + 1], list[#list + 2] = entries[at], entries[at + 1]
  end

  -- Remove what is left under the ids of new jobs, and what a job that is replaced has of its past. Returns the latter.
  local function make_room()
    local new, replaced = {}, {}
    for _, place in ipairs(planned) do
      if place.own then
        new[#new + 1] = place.id
      else
        keep_stored(place.id, place.score)
        unmark(place.id, 'error', 'ended', 'recoveries', 'reset', 'runs')
        redis.call('ZREM', PENDING, place.id) -- where Swift may have put it
        redis.call('ZREM', PAUSED, place.id)
        if has_lines() then leave_line(place.id) end
        replaced[#replaced + 1] = place.id
        if has_expiry() then redis.call('ZREM', ENDS_AT, place.id) end
      end
    end
    if not are_fresh then clear(new, remains) end
    return replaced
  end
  return table.concat(letters), holders, todo, make_room, function()
    for n, id in ipairs(todo.ids) do -- a callback comes before its members
      if todo.held[n] then
        local due = heads[by_id[id].by]:match('^%S+ (%S+)')
        hold(id, due == 'now' and seconds(now) or seconds(due_at(due)), looks[id])
      end
    end
  end
end
