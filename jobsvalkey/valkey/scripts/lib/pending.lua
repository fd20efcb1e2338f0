-- The jobs that wait, and hints to workers that there are some.
-- uses: keys time batches
local PENDING = Q .. '.pending'
local WAKE = META .. '_wake' -- list: at most one hint for a waiting worker

-- How many hints there are. A script that is going to leave one asks before it writes.
local hints
local function count_hints() hints = redis.call('LLEN', WAKE) end

-- Leave a hint for one worker that waits.
local function wake()
  if hints == 0 then hints = redis.call('LPUSH', WAKE, '1') end
end

-- The only way to pending. `entries` are due score, id, due score, id, …
local function enter(entries)
  if #entries == 0 then return end
  batch('ZADD', PENDING, entries)
  local earliest = entries[1]
  for n = 3, #entries, 2 do
    if entries[n] ~= earliest and tonumber(entries[n]) < tonumber(earliest) then earliest = entries[n] end
  end
  -- A hint if a job is due, or has become the first.
  if micro(earliest) <= now or tonumber(redis.call('ZRANGE', PENDING, 0, 0, 'WITHSCORES')[2]) >= tonumber(earliest) then
    wake()
  end
end

-- A due time as callers give it: microseconds, `+` microseconds from now, or empty for now.
local function due_at(given)
  if given == '' then return now end
  if given:sub(1, 1) == '+' then return now + tonumber(given:sub(2)) end
  return tonumber(given)
end
