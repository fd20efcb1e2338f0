-- Take a lock that is free or expired, or extend it. Refused if the key is plain metadata.
-- uses: operations metadata
-- args: name holder duration
-- `duration` is in microseconds.
-- result: `1` if the holder has it now, else `0`.
-- cost: O(1).
local answer = answered()
if answer then return answer end
local failed, present = lock_or_value(name)
if failed then return failed end
if present.plain then return fault('LOCK', META .. name .. ' is a value, not a lock') end
if present.holder and present.holder ~= holder then return record('0') end
if is_injected then
  redis.call('SET', META .. name, holder)
  redis.call('HSET', LOCKS, name, whole(now + tonumber(duration)))
else
  redis.call('SET', META .. name, holder, 'PX', math.ceil(tonumber(duration) / 1000))
end
return record('1')
