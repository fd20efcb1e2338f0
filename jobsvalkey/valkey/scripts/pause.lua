-- Set a pending job aside with its due time. [FIRST + 3] id.
-- Result: `1` where it was pending, else `0`. Cost: O(log n).
local known = repeated()
if known then return known end
local wrong = wrong_type(PENDING, PAUSED)
if wrong then return wrong end

local id = ARGV[FIRST + 3]
local score = redis.call('ZSCORE', PENDING, id)
if not score then return record_always('0') end
redis.call('ZREM', PENDING, id)
redis.call('ZADD', PAUSED, score, id)
mark(id, 'status', 'paused')
return record_always('1')
