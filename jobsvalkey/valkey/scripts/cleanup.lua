-- Rerun or remove the jobs named that are still in a state, and old enough. Also `rerun` and `remove` of one job.
-- [FIRST + 3] state, `ended` for any that is finished, or `idle` for any but processing; [+4] `rerun` or `remove`;
-- [+5] least age in microseconds, or empty; [+6] `1` for jobs of workers with an expired lock only; [+7] how many at most; [+8...] ids.
-- Result: how many jobs it was. Cost: O(log n) for each job.
local known = repeated()
if known then return known end
local wrong = wrong_type()
if wrong then return wrong end

local wanted, action, age = ARGV[FIRST + 3], ARGV[FIRST + 4], tonumber(ARGV[FIRST + 5])
local only_orphans = ARGV[FIRST + 6] == '1'

local function is_wanted(id, state, where)
  if wanted == 'ended' then
    if not ENDED[state] then return false end
  elseif wanted == 'idle' then
    if state == 'processing' then return false end
  elseif state ~= wanted then
    return false
  end
  if only_orphans and state == 'processing' then
    local expires = redis.call('HGET', worker_of(where), 'expires')
    if expires and tonumber(expires) > now then return false end
    if redis.call('EXISTS', META .. 'worker.' .. where) == 1 then return false end
  end
  if not age then return true end
  local since
  if state == 'processing' then
    since = micro(fields(id, 'processingStarted')[1] or seconds(now))
  elseif ENDED[state] then
    since = micro(where)
  else
    since = tonumber(fields(id, 'stored')[1] or micro(where))
  end
  return now - since >= age
end

local done = 0
for i = FIRST + 8, #ARGV do
  if done == tonumber(ARGV[FIRST + 7]) then break end
  local id = ARGV[i]
  local state, where = place(id)
  local possible = action == 'remove' or redis.call('TYPE', payload_of(id)).ok == 'string'
  if state and possible and is_wanted(id, state, where) then
    take(id, state, where)
    if action == 'remove' then forget(id, now) else rerun(id) end
    done = done + 1
  end
end
return record(tostring(done))
