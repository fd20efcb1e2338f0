-- Put a paused job back, at the due time that it had.
-- uses: operations types places fieldtypes
-- args: id
-- result: `1` if it was paused, else `0`.
-- cost: O(log n).
local answer = answered()
if answer then return answer end
local wrong = has_wrong_type('zset', PENDING, PAUSED) or fielded_wrong_type()
if wrong then return wrong end
count_hints()

local score, fielded = redis.call('ZSCORE', PAUSED, id), is_fielded(id)
if fielded then score = score or redis.call('ZSCORE', FIELDED_PAUSED, id) end
if not score then return record_always('0') end
remove_first()
enter_one(id, score, fielded)
take(id, 'paused', score)
unmark(id, 'status')
return record('1')
