-- Put a paused job back, or let a waiting one go, at the due time that it had.
-- uses: operations types places fieldtypes
-- args: id
-- result: `1` if it was paused or waiting, else `0`.
-- cost: O(log n).
local answer = answered()
if answer then return answer end
local wrong = has_wrong_type('zset', PENDING, PAUSED) or fielded_wrong_type()
if wrong then return wrong end
count_hints()

local score, fielded = redis.call('ZSCORE', PAUSED, id), is_fielded(id)
if fielded then score = score or redis.call('ZSCORE', FIELDED_PAUSED, id) end
local state = 'paused'
if not score and has_flows() then state, score = 'waiting', redis.call('ZSCORE', WAITING, id) end
if not score then return record_always('0') end
remove_first()
if state == 'waiting' then redis.call('ZREM', ENDS_AT, id) end -- it may be doomed
enter_one(id, score, fielded)
take(id, state, score)
unmark(id, 'status')
return record('1')
