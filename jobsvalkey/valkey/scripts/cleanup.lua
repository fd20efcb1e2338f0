-- Rerun or remove the jobs named that are still in a state, and old enough. Also `rerun` and `remove` of one job.
-- [FIRST + 3] state, `ended` for any that is finished, or `idle` for any but processing; [+4] `rerun` or `remove`;
-- [+5] least age in microseconds, or empty; [+6] `1` for jobs of workers with an expired lock only; [+7] how many at most; [+8...] ids.
-- Result: how many jobs it was. Cost: O(log n) for each job.
local known = repeated()
if known then return known end
local wrong = wrong_type(PENDING, PAUSED, PROCESSING, IDS, KEPT, WAKE, CLAIMED, ENDED.completed.key, ENDED.failed.key,
  ENDED.cancelled.key)
if wrong then return wrong end

local wanted, action, age = ARGV[FIRST + 3], ARGV[FIRST + 4], tonumber(ARGV[FIRST + 5])
local only_orphans = ARGV[FIRST + 6] == '1'

-- Whether the worker that has a job is alive: by its claim, or, for Swift's, by the worker's own lock.
local function is_alive(claim, swift_worker)
  if not claim then return redis.call('EXISTS', META .. 'worker.' .. swift_worker) == 1 end
  local _, _, _, worker = parts_of(claim)
  return tonumber(redis.call('HGET', worker_of(worker), 'expires') or 0) > now
end

local function is_wanted(id, state, where, swift_worker)
  if wanted == 'ended' then
    if not ENDED[state] then return false end
  elseif wanted == 'idle' then
    if state == 'processing' then return false end
  elseif state ~= wanted then
    return false
  end
  if only_orphans and state == 'processing' and is_alive(where, swift_worker) then return false end
  if not age then return true end
  local since
  if state == 'processing' then
    local _, started = parts_of(where or '')
    since = tonumber(started) or micro(fields(id, 'processingStarted')[1] or seconds(now))
  elseif ENDED[state] then
    since = micro(where)
  else
    since = tonumber(fields(id, 'stored')[1]) or micro(where)
  end
  return now - since >= age
end

local done = 0
for i = FIRST + 8, #ARGV do
  if done == tonumber(ARGV[FIRST + 7]) then break end
  local id = ARGV[i]
  local state, where, swift_worker = place(id)
  local possible = action == 'remove' or redis.call('TYPE', payload_of(id)).ok == 'string'
  if state and possible and is_wanted(id, state, where, swift_worker) then
    local score = take(id, state, where)
    if action == 'remove' then
      forget(id, now)
    else
      unmark(id, 'status', 'error', 'recoveries', 'workerID', 'processingStarted')
      mark(id, 'reset', '1')
      if score then keep_stored(id, score) end
      redis.call('ZADD', PENDING, seconds(now), id)
      wake()
    end
    done = done + 1
  end
end
return record(tostring(done))
