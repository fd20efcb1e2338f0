-- Set a pending job aside with its due time.
-- uses: operations types places
-- args: id
-- result: `1` if it was pending, else `0`.
-- cost: O(log n).
local answer = answered()
if answer then return answer end
local wrong = has_wrong_type('zset', PENDING, PAUSED)
if wrong then return wrong end

local score = redis.call('ZSCORE', PENDING, id)
if not score then return record_always('0') end
remove_first()
redis.call('ZADD', PAUSED, score, id)
mark(id, 'status', 'paused')
take(id, 'pending', score)
return record('1')
