-- Store a metadata value. [FIRST + 3] key, [+4] value.
-- Result: empty. Refused where the key is a lock that is held. Cost: O(1).
local known = repeated()
if known then return known end
local name = ARGV[FIRST + 3]
local failed, value = lock_or_value(name)
if failed then return failed end
if value.holder then return fault('LOCK', META .. name .. ' is a lock that is held, not a value') end
redis.call('SET', META .. name, ARGV[FIRST + 4])
redis.call('HDEL', LOCKS, name)
return record('')
