-- Take a lock that is free or expired, or extend it. Refused if the key is plain metadata.
-- uses: operations metadata
-- args: name holder duration
-- `duration` is in microseconds.
-- result: `1` if the holder has it now, else `0`.
-- cost: O(1).
local answer = answered()
if answer and answer ~= '1' then return answer end
local failed, present = lock_or_value(name)
if failed then return failed end
-- That the holder has it now is nothing to be remembered: a repeat looks again.
if answer and present.holder == holder then return answer end
if present.plain then return fault('LOCK', META .. name .. ' is a value, not a lock') end
if present.holder and present.holder ~= holder then return answer and '0' or record('0') end
if is_injected then
  redis.call('SET', META .. name, holder)
  redis.call('HSET', LOCKS, name, whole(now + tonumber(duration)))
else
  redis.call('SET', META .. name, holder, 'PX', math.ceil(tonumber(duration) / 1000))
end
return answer or record('1')
