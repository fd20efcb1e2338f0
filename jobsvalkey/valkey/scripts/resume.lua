-- Put a paused job back, at the due time that it had.
-- uses: operations types places
-- args: id
-- result: `1` if it was paused, else `0`.
-- cost: O(log n).
local answer = answered()
if answer then return answer end
local wrong = has_wrong_type('zset', PENDING, PAUSED)
if wrong then return wrong end

local score = redis.call('ZSCORE', PAUSED, id)
if not score then return record_always('0') end
take(id, 'paused', score)
unmark(id, 'status')
enter({ score, id })
return record_always('1')
