-- Put a paused job back, at the due time that it had. [FIRST + 3] id.
-- Result: `1` where it was paused, else `0`. Cost: O(log n).
local known = repeated()
if known then return known end
local wrong = wrong_type(PENDING, PAUSED, WAKE)
if wrong then return wrong end

local id = ARGV[FIRST + 3]
local score = redis.call('ZSCORE', PAUSED, id)
if not score then return record_always('0') end
redis.call('ZREM', PAUSED, id)
redis.call('ZADD', PENDING, score, id)
unmark(id, 'status')
wake_for(score)
return record_always('1')
