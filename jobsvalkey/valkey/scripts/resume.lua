-- Put a paused job back, at the due time that it had.
-- uses: operations types places
-- args: id
-- result: `1` if it was paused, else `0`.
-- cost: O(log n).
local answer = answered()
if answer then return answer end
local wrong = has_wrong_type('zset', PENDING, PAUSED)
if wrong then return wrong end
count_hints()

local score = redis.call('ZSCORE', PAUSED, id)
if not score then return record_always('0') end
remove_first()
enter({ score, id })
take(id, 'paused', score)
unmark(id, 'status')
return record('1')
