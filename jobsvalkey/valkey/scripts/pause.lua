-- Set a pending job aside with its due time.
-- uses: operations types places fieldtypes
-- args: id
-- result: `1` if it was pending, else `0`.
-- cost: O(log n).
local answer = answered()
if answer then return answer end
local wrong = has_wrong_type('zset', PENDING, PAUSED) or fielded_wrong_type()
if wrong then return wrong end

local score, list = redis.call('ZSCORE', PENDING, id), PAUSED
if is_fielded(id) then
  score = score or redis.call('ZSCORE', FIELDED, id) or has_lines() and redis.call('ZSCORE', LANED, id)
  list = FIELDED_PAUSED
end
if not score then return record_always('0') end
remove_first()
redis.call('ZADD', list, score, id)
mark(id, 'status', 'paused')
take(id, 'pending', score)
return record('1')
