-- Look at a metadata key.
-- uses: layout metadata
-- args: name
-- result: its value, or the holder of a lock that is held; nothing if there is neither.
-- cost: O(1).
local refusal = refused(redis.call('GET', LAYOUT))
if refusal then return refusal end
local failed, present = lock_or_value(name)
return failed or present.plain or present.holder or false
