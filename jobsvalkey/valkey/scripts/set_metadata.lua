-- Store a metadata value. Refused if the key is a lock that is held.
-- uses: operations metadata
-- args: name value
-- result: empty.
-- cost: O(1).
local answer = answered()
if answer then return answer end
local failed, present = lock_or_value(name)
if failed then return failed end
if present.holder then return fault('LOCK', META .. name .. ' is a lock that is held, not a value') end
redis.call('SET', META .. name, value)
redis.call('HDEL', LOCKS, name)
return record('')
