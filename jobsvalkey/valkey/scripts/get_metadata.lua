-- Look at a metadata key. [FIRST] key.
-- Result: its value, or the holder of a lock that is held; nothing where there is neither. Cost: O(1).
local failed, value = lock_or_value(ARGV[FIRST])
return failed or value.plain or value.holder or false
