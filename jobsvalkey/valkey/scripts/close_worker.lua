-- Forget a worker and put its jobs back into the queue.
-- uses: layout types releasing fieldtypes
-- args: worker
-- result: how many jobs it was.
-- cost: O(log n) for each of its claims.
local refusal = refused(redis.call('GET', LAYOUT))
if refusal then return refusal end
local wrong = has_wrong_type('zset', WORKERS, PENDING, ENDED.cancelled.key, IDS) or has_wrong_type('hash', CLAIMED, worker_of(worker))
  or has_wrong_type('set', claims_of(worker)) or fielded_wrong_type()
if wrong then return wrong end

count_hints()
local ids, claims = claims_held(worker)
release(ids, claims, worker)
redis.call('ZREM', WORKERS, worker)
redis.call('DEL', worker_of(worker), claims_of(worker))
return #ids
