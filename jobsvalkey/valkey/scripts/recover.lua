-- Put the jobs of workers whose lock has run out back into the queue.
-- uses: layout types releasing envelopes vanishing
-- args: max_jobs grace asker
-- `grace` is how many microseconds an id that a Swift worker popped may lack a worker; `asker` is the worker that asks, whose own
-- jobs stay, or empty.
-- result: how many jobs it was.
-- cost: O(log n) for each job, and O(1) for each dead worker.
local refusal = refused(redis.call('GET', LAYOUT))
if refusal then return refusal end
local PROCESSING = Q .. '.processing'
local UNOWNED = META .. '_unowned' -- zset: ids on PROCESSING without a worker, since when
local wrong = has_wrong_type('zset', WORKERS, PENDING, UNOWNED, IDS) or has_wrong_type('list', PROCESSING)
  or has_wrong_type('hash', CLAIMED)
if wrong then return wrong end
local left, done = tonumber(max_jobs), 0

local workers = redis.call('ZRANGEBYSCORE', WORKERS, '-inf', whole(now), 'LIMIT', 0, 1000)
for _, worker in ipairs(workers) do
  wrong = has_wrong_type('set', claims_of(worker))
  if wrong then return wrong end
end
local function count_recovery(ids)
  for _, id in ipairs(ids) do redis.pcall('HINCRBY', envelope_of(id), 'recoveries', 1) end
end
for _, worker in ipairs(workers) do
  if worker ~= asker then
    local ids, claims, has_more = claims_held(worker, left)
    release(ids, claims, worker, count_recovery)
    done, left = done + #ids, left - #ids
    if has_more then return done end
    redis.call('ZREM', WORKERS, worker) -- a renewal brings it back
    redis.call('DEL', claims_of(worker))
  end
end
free_ids(10000)

-- Swift workers: a list of ids, and a lock for each worker. They pop first and write the worker in a second step, so an
-- id without a worker is one that was popped just now, or whose worker died in between: UNOWNED tells which.
local length = redis.call('LLEN', PROCESSING)
if length == 0 then
  redis.call('DEL', UNOWNED)
  return done
end
local from = length > 1000 and math.floor(now / 1000000) % length or 0
local ids = redis.call('LRANGE', PROCESSING, from, from + 999)
local owners, lacking = {}, {}
for _, id in ipairs(ids) do
  owners[id] = fields(id, 'workerID')[1]
  lacking[id] = not owners[id]
end
if length <= 1000 then
  -- What has a worker by now, or has left the list, begins anew when it is popped again.
  for _, id in ipairs(redis.call('ZRANGE', UNOWNED, 0, -1)) do
    if not lacking[id] then redis.call('ZREM', UNOWNED, id) end
  end
end
for _, id in ipairs(ids) do
  if left == 0 then break end
  local worker = owners[id]
  local is_dead
  if worker then
    is_dead = redis.call('EXISTS', META .. 'worker.' .. worker) == 0
  else
    local first = redis.call('ZSCORE', UNOWNED, id)
    is_dead = first and now - tonumber(first) >= tonumber(grace)
    if not first then redis.call('ZADD', UNOWNED, whole(now), id) end
  end
  if is_dead then
    redis.call('LREM', PROCESSING, 1, id)
    redis.call('ZREM', UNOWNED, id)
    unmark(id, 'status', 'workerID', 'processingStarted')
    count_recovery({ id })
    enter({ seconds(now), id })
    done, left = done + 1, left - 1
  end
end
local past = redis.call('ZRANGEBYSCORE', UNOWNED, '-inf', whole(now - 3600000000), 'LIMIT', 0, 1000)
if #past > 0 then redis.call('ZREM', UNOWNED, unpack(past)) end
return done
