-- Cancel a pending or paused job. [FIRST + 3] id.
-- Result: `1` where it was cancelled, else `0`. Cost: O(log n).
local known = repeated()
if known then return known end
local wrong = wrong_type(PENDING, PAUSED, ENDED.cancelled.key, IDS)
if wrong then return wrong end

local id = ARGV[FIRST + 3]
local state, where = place(id)
if state ~= 'pending' and state ~= 'paused' then return record_always('0') end
take(id, state, where)
finish(id, 'cancelled', where)
trim('cancelled', 100)
return record_always('1')
