-- Jobs to store, from their words. Lists that go to commands as they are, since there may be a thousand jobs in a step.
-- uses: keys pending envelopes naming freeing slots

-- Jobs from their words. `head` is the id, which is all for a job of ours that
-- is due at once; else `id due remember NAME:VALUE …`: the due time as `due_at` takes it, `now` for now, `remember` if a
-- user gave the id, else `-`, and the fields that make it a fielded one. Such a job gets an envelope; the others have none
-- before they are claimed: they were stored when they were due, and where they are says their state.
local function jobs_of(each_job)
  local ids, keys, requests, entries, marks, others, fields, uniques, lines = {}, {}, {}, {}, {}, {}, {}, {}, {}
  local held = {}
  local at_once, n, expires = seconds(now), 0, false
  for _, head, request in each_job do
    n = n + 1
    local id, score, list = head, at_once, entries
    if #head > 36 then
      local due, remember, rest
      id, due, remember, rest = head:match('^(%S+) (%S+) (%S+)(.*)$')
      if due ~= 'now' then
        score = seconds(due_at(due))
        marks[#marks + 1] = { id, 'stored', whole(now) }
      end
      if remember == 'remember' then marks[#marks + 1] = { id, 'remember', '1' } end
      if rest ~= '' then
        local values, found = {}, {}
        for name, value in rest:gmatch(' ([%w_]+):(%S+)') do
          if name == 'expires' then value, expires = whole(due_at(value)), true end
          if name == 'lane' then value = value:gsub('%%(%x%x)', function(hex) return string.char(tonumber(hex, 16)) end) end
          values[#values + 1], values[#values + 2], found[name] = name, value, value
        end
        fields[#fields + 1], list = { id, values }, others
        if found.priority or found.lane then
          -- uses: lines
          local priority = found.priority or '0'
          lines[line_of(priority, found.lane or '')], lines[offers_of(priority)] = true, true
        end
        if found.after or found.batch then held[n], list = found, {} end
        if found.unique then
          uniques[n] = { name = found.unique, until_then = found['until'], otherwise = found.otherwise }
        end
      end
    end
    local payload, first, second = Q .. '/' .. id, 2 * n - 1, 2 * n
    ids[n], keys[first], keys[second] = id, payload, payload .. '.metadata'
    requests[first], requests[second] = payload, request
    list[#list + 1], list[#list + 2] = score, id
  end
  return {
    ids = ids, keys = keys, requests = requests, entries = entries, marks = marks, others = others, fields = fields,
    uniques = uniques, paused = {}, has_expiry = expires, lines = lines, held = held,
  }
end

local function lines_wrong_type(lines)
  for key in pairs(lines) do
    local wrong = has_wrong_type('zset', key)
    if wrong then return wrong end
  end
end

-- An error if a key that fielded ones among the jobs need holds another type.
local function jobs_wrong_type(jobs)
  if #jobs.fields == 0 then return nil end
  -- uses: jobs
  return has_wrong_type('zset', FIELDED, (jobs.has_expiry or has_expiry()) and ENDS_AT or nil)
    or (has_lines() or next(jobs.lines)) and (has_wrong_type('zset', LANED, PRIORITIES, LANES)
      or has_wrong_type('hash', TURNS) or has_limits() and has_wrong_type('hash', LIMITED, SWEEPS))
    or lines_wrong_type(jobs.lines)
    or next(jobs.held) and has_wrong_type('zset', FIELDED_PAUSED, WAITING, ENDS_AT)
    or next(jobs.uniques) and (names_wrong_type() or has_wrong_type('zset', FIELDED_PAUSED))
end

-- Store jobs that are not known, or that replace what they were. If something may be left under their ids, `prepare`
-- removes it, and returns those that were there.
local function store(jobs, prepare)
  if #jobs.ids == 0 then return end
  batch('MSET', nil, jobs.requests) -- the first write: a full server refuses it
  local replaced = prepare and prepare() or {}
  if #jobs.fields > 0 then
    -- uses: jobs
    local held_in = {}
    for n, each in ipairs(jobs.fields) do held_in[n] = fields_of(each[1]) end
    batch('DEL', nil, held_in)
    for n, each in ipairs(jobs.fields) do
      for at = 1, #each[2], 2 do begin_to_use(LETTERS[each[2][at]]) end
      redis.call('HSET', held_in[n], unpack(each[2]))
    end
    take_names(jobs.ids, jobs.uniques)
    batch('ZADD', FIELDED_PAUSED, jobs.paused)
    note_expiry(jobs.paused)
  end
  for _, mark in ipairs(jobs.marks) do redis.pcall('HSETNX', envelope_of(mark[1]), mark[2], mark[3]) end
  if has_names() then
    -- uses: jobs
    trim_names(2 * #jobs.ids + 100)
  end
  enter(jobs.entries, jobs.others)
  if not has_lines() then return end
  -- uses: jobs
  for _, id in ipairs(replaced) do redis.call('ZREM', line_named(id) and FIELDED or LANED, id) end
end
