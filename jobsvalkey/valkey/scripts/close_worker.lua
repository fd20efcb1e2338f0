-- Forget a worker and put its jobs back into the queue. [FIRST] worker.
-- Result: how many jobs it was. Cost: O(log n) for each of its claims.
local worker = ARGV[FIRST]
local wrong = wrong_type(WORKERS, PENDING, WAKE, CLAIMED)
if wrong then return wrong end
local ids = redis.call('SMEMBERS', claims_of(worker))
redis.call('ZREM', WORKERS, worker)
redis.call('DEL', claims_of(worker), worker_of(worker))
for _, id in ipairs(ids) do
  local _, _, score = parts_of(redis.call('HGET', CLAIMED, id) or '')
  redis.call('HDEL', CLAIMED, id)
  if score then release(id, score) end
end
return #ids
