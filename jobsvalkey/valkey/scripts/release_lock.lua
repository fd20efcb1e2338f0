-- Free a lock that the holder has. [FIRST + 3] key, [+4] holder.
-- Result: `1` where the holder had it, else `0`. Cost: O(1).
local known = repeated()
if known then return known end
local name = ARGV[FIRST + 3]
local failed, value = lock_or_value(name)
if failed then return failed end
if value.holder ~= ARGV[FIRST + 4] then return record_always('0') end
redis.call('DEL', META .. name)
redis.call('HDEL', LOCKS, name)
return record_always('1')
