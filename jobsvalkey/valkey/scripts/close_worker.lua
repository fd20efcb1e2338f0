-- Forget a worker and put its jobs back into the queue. [FIRST] worker.
-- Result: how many jobs it was. Cost: O(log n) for each of its claims.
local worker = ARGV[FIRST]
local key, claims_key = worker_of(worker), claims_of(worker)
TYPES[key], TYPES[claims_key] = 'hash', 'set'
local wrong = wrong_type(WORKERS, PENDING, WAKE, CLAIMED, key, claims_key)
if wrong then return wrong end
local ids = redis.call('SMEMBERS', claims_key)
redis.call('ZREM', WORKERS, worker)
redis.call('DEL', claims_key, key)
for _, id in ipairs(ids) do
  local claim = redis.call('HGET', CLAIMED, id)
  if claim then
    redis.call('HDEL', CLAIMED, id)
    local _, _, score = parts_of(claim)
    release(id, score)
  end
end
return #ids
