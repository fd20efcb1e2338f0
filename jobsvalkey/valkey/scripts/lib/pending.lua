-- The jobs that wait, and hints to workers that there are some.
-- uses: keys time batches fielded lines
local PENDING = Q .. '.pending'
local WAKE = META .. '_wake' -- list: at most one hint for a waiting worker

-- How many hints there are. A script that is going to leave one asks before it writes.
local hints
local function count_hints() hints = redis.call('LLEN', WAKE) end

-- Leave a hint for one worker that waits.
local function wake()
  if hints == 0 then hints = redis.call('LPUSH', WAKE, '1') end
end

-- Add entries to a list of pending jobs; whether one is due, or has become the first.
local function line_up(list, entries)
  if #entries == 0 then return false end
  batch('ZADD', list, entries)
  local earliest = entries[1]
  for n = 3, #entries, 2 do
    if entries[n] ~= earliest and tonumber(entries[n]) < tonumber(earliest) then earliest = entries[n] end
  end
  return micro(earliest) <= now
    or tonumber(redis.call('ZRANGE', list, 0, 0, 'WITHSCORES')[2]) >= tonumber(earliest)
end

-- Note when fielded jobs expire, those of them that do.
local function note_expiry(fielded)
  if not has_expiry() then return end
  for n = 2, #fielded, 2 do
    local expires = field_of(fielded[n], 'expires')
    if expires then redis.call('ZADD', ENDS_AT, expires, fielded[n]) end
  end
end

-- The only way to pending. `entries` are due score, id, due score, id, …; `fielded` those of fielded jobs, if there are any.
local function enter(entries, fielded)
  local is_news = line_up(PENDING, entries)
  if fielded and fielded[1] then
    -- uses: pending
    local others, laned, is_offered = fielded, {}, false
    if has_lines() then others, laned, is_offered = enter_lines(fielded) end
    is_news = line_up(FIELDED, others) or is_news
    -- The first of those with a lane may be of one that is full.
    is_news = (line_up(LANED, laned) or has_limits()) and is_offered or is_news
    note_expiry(fielded)
  end
  if is_news then wake() end
end

-- The same for one job.
local function enter_one(id, score, fielded)
  local entry = { score, id }
  if fielded then enter({}, entry) else enter(entry) end
end

-- The score of the job that is due first, or of the first one without a line; nothing if none is pending.
local function first_score(without_lines)
  local first = redis.call('ZRANGE', PENDING, 0, 0, 'WITHSCORES')[2]
  if not has_fielded() then return first end
  -- uses: fielded lines
  for _, list in ipairs({ FIELDED, has_lines() and not without_lines and LANED or nil }) do
    local other = redis.call('ZRANGE', list, 0, 0, 'WITHSCORES')[2]
    if not first or other and tonumber(other) < tonumber(first) then first = other end
  end
  return first
end

-- When the first job can be claimed, as things are, in microseconds; nothing if none can.
local function first_claimable()
  local first = first_score(has_limits())
  first = first and micro(first)
  if not has_limits() then return first end
  -- uses: offered
  local offered = first_offered(100)
  return offered and not (first and first <= offered) and offered or first
end

-- When the next job expires that nobody has, in microseconds; nothing if none does.
local function first_expiry()
  if not has_expiry() then return nil end
  -- uses: fielded
  return tonumber(redis.call('ZRANGE', ENDS_AT, 0, 0, 'WITHSCORES')[2])
end

-- A due time as callers give it: microseconds, `+` microseconds from now, or empty for now.
local function due_at(given)
  if given == '' then return now end
  if given:sub(1, 1) == '+' then return now + tonumber(given:sub(2)) end
  return tonumber(given)
end
