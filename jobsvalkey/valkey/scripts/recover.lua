-- Put the jobs of workers whose lock has run out back into the queue, and end jobs that have expired.
-- uses: layout types releasing envelopes expiring swift fieldtypes runs
-- args: max_jobs grace asker
-- `grace` is for how many microseconds a Swift worker may hold a job without a lock; `asker` is the worker that asks, or
-- empty.
-- result: how many jobs came back.
-- cost: O(log n) for each job, and O(1) for each dead worker.
local refusal = refused(redis.call('GET', LAYOUT))
if refusal then return refusal end
-- If its own lock has run out, it was stalled, or this server was, and others may be as well: locks are renewed first.
local expires = tonumber(redis.call('HGET', worker_of(asker), 'expires'))
if asker ~= '' and (not expires or expires <= now) then return 0 end
local wrong = has_wrong_type('zset', WORKERS, PENDING, UNOWNED, IDS, ENDED.cancelled.key) or has_wrong_type('list', PROCESSING)
  or has_wrong_type('hash', CLAIMED) or fielded_wrong_type()
if wrong then return wrong end
count_hints()
trim_kept(100)
if has_expiry() then end_overdue() end
if has_limits() then
  -- uses: limits
  if redis.call('EXISTS', SWEEPS) == 1 then
    sweep(1000, true)
    wake()
  end
  forget_times(100)
end
local left, done = tonumber(max_jobs), 0

local workers = redis.call('ZRANGEBYSCORE', WORKERS, '-inf', whole(now), 'LIMIT', 0, 10000) -- idle ones, too
local has_died = {}
for _, worker in ipairs(workers) do
  wrong = has_wrong_type('set', claims_of(worker)) or has_wrong_type('hash', worker_of(worker))
  if wrong then return wrong end
  has_died[worker] = not redis.call('HGET', worker_of(worker), 'leaving')
end
local function count_recovery(ids, worker)
  for _, id in ipairs(ids) do
    redis.pcall('HINCRBY', envelope_of(id), 'recoveries', 1)
    note_run(id, worker)
  end
end
for _, worker in ipairs(workers) do
  local ids, claims, has_more = claims_held(worker, left)
  local released = release(ids, claims, worker, has_died[worker] and count_recovery, true)
  done, left = done + released, left - released
  if has_more or released < #ids then return done end
  redis.call('ZREM', WORKERS, worker) -- a renewal brings it back
  redis.call('DEL', claims_of(worker))
end
free_ids(10000)

local length = redis.call('LLEN', PROCESSING)
if length == 0 then
  redis.call('DEL', UNOWNED)
  return done
end
local from = length > 1000 and math.floor(now / 1000000) % length or 0
local ids = redis.call('LRANGE', PROCESSING, from, from + 999)
if length <= 1000 then
  -- A claim that has changed, or has left the list, begins anew when it is seen again.
  local listed = {}
  for _, id in ipairs(ids) do listed[id] = true end
  for _, claim in ipairs(redis.call('ZRANGE', UNOWNED, 0, -1)) do
    local id = claim:match('^%S+')
    if not listed[id] or unowned_claim(id) ~= claim then redis.call('ZREM', UNOWNED, claim) end
  end
end
for _, id in ipairs(ids) do
  if left == 0 then break end
  if is_orphan(id, tonumber(grace)) then
    redis.call('ZREM', UNOWNED, '') -- a removal first, for a full server
    count_recovery({ id }, fields(id, 'workerID')[1] or '')
    enter_one(id, seconds(now), is_fielded(id))
    take_from_swift(id)
    unmark(id, 'status', 'workerID', 'processingStarted', 'error', 'ended', 'reset')
    done, left = done + 1, left - 1
  end
end
local past = redis.call('ZRANGEBYSCORE', UNOWNED, '-inf', whole(now - 3600000000), 'LIMIT', 0, 1000)
if #past > 0 then redis.call('ZREM', UNOWNED, unpack(past)) end
return done
