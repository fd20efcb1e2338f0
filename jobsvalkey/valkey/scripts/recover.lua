-- Put the jobs of workers whose lock has run out back into the queue.
-- [FIRST] how many at most, [+1] microseconds for which an id that a Swift worker popped may lack a worker,
-- [+2] the worker that asks, whose own jobs stay, or nothing.
-- Result: how many jobs it was. Cost: O(log n) for each job, and O(1) for each dead worker.
local UNOWNED = META .. '_unowned' -- zset: ids on PROCESSING without a worker, since when
TYPES[UNOWNED] = 'zset'
local wrong = wrong_type(WORKERS, PENDING, WAKE, PROCESSING, CLAIMED, UNOWNED)
if wrong then return wrong end
local left, grace = tonumber(ARGV[FIRST]), tonumber(ARGV[FIRST + 1])
local done = 0

local workers = redis.call('ZRANGEBYSCORE', WORKERS, '-inf', whole(now), 'LIMIT', 0, 1000)
for _, worker in ipairs(workers) do
  TYPES[claims_of(worker)] = 'set'
  wrong = wrong_type(claims_of(worker))
  if wrong then return wrong end
end
for _, worker in ipairs(workers) do
  local own = worker == ARGV[FIRST + 2]
  local ids = own and {} or redis.call('SMEMBERS', claims_of(worker))
  for n = 1, math.min(#ids, left) do
    local claim = redis.call('HGET', CLAIMED, ids[n])
    redis.call('SREM', claims_of(worker), ids[n])
    if claim then
      redis.call('HDEL', CLAIMED, ids[n])
      local _, _, score = parts_of(claim)
      release(ids[n], score, true)
    end
  end
  done = done + math.min(#ids, left)
  if #ids > left then return done end
  left = left - #ids
  if not own then redis.call('ZREM', WORKERS, worker) end -- a renewal brings it back
end

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
  -- What has a worker by now, or has left the list, begins anew where it is popped again.
  for _, id in ipairs(redis.call('ZRANGE', UNOWNED, 0, -1)) do
    if not lacking[id] then redis.call('ZREM', UNOWNED, id) end
  end
end
for _, id in ipairs(ids) do
  if left == 0 then break end
  local worker = owners[id]
  local dead
  if worker then
    dead = redis.call('EXISTS', META .. 'worker.' .. worker) == 0
  else
    local first = redis.call('ZSCORE', UNOWNED, id)
    dead = first and now - tonumber(first) >= grace
    if not first then redis.call('ZADD', UNOWNED, whole(now), id) end
  end
  if dead then
    redis.call('LREM', PROCESSING, 1, id)
    redis.call('ZREM', UNOWNED, id)
    unmark(id, 'status', 'workerID', 'processingStarted')
    release(id, seconds(now), true)
    done, left = done + 1, left - 1
  end
end
local past = redis.call('ZRANGEBYSCORE', UNOWNED, '-inf', whole(now - 3600000000), 'LIMIT', 0, 1000)
if #past > 0 then redis.call('ZREM', UNOWNED, unpack(past)) end
return done
