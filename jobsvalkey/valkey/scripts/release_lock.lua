-- Free a lock that the holder has.
-- uses: operations metadata
-- args: name holder
-- result: `1` if the holder had it, else `0`.
-- cost: O(1).
local answer = answered()
if answer then return answer end
local failed, present = lock_or_value(name)
if failed then return failed end
if present.holder ~= holder then return record_always('0') end
redis.call('DEL', META .. name)
redis.call('HDEL', LOCKS, name)
return record_always('1')
