-- How many jobs are in each state: pending, paused, processing, completed, failed, cancelled.
-- Cost: O(log n), and O(1) for each worker.
local processing = redis.call('LLEN', PROCESSING)
for _, worker in ipairs(redis.call('ZRANGE', WORKERS, 0, -1)) do
  processing = processing + redis.call('HLEN', claims_of(worker))
end
local function ended(state)
  local policy = ENDED[state]
  return redis.call('ZCARD', policy.key) - first_kept(policy)
end
return {
  redis.call('ZCARD', PENDING), redis.call('ZCARD', PAUSED), processing,
  ended('completed'), ended('failed') + redis.call('ZCARD', KEPT), ended('cancelled'),
}
