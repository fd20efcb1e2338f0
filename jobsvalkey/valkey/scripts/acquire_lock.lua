-- Take a lock that is free or expired, or extend it. [FIRST + 3] key, [+4] holder, [+5] microseconds.
-- Result: `1` where the holder has it now, else `0`. Refused where the key is plain metadata. Cost: O(1).
local known = repeated()
if known then return known end
local name, holder, lasting = ARGV[FIRST + 3], ARGV[FIRST + 4], tonumber(ARGV[FIRST + 5])
local failed, value = lock_or_value(name)
if failed then return failed end
if value.plain then return fault('LOCK', META .. name .. ' is a value, not a lock') end
if value.holder and value.holder ~= holder then return record('0') end
if injected then
  redis.call('SET', META .. name, holder)
  redis.call('HSET', LOCKS, name, whole(now + lasting))
else
  redis.call('SET', META .. name, holder, 'PX', math.ceil(lasting / 1000))
end
return record('1')
