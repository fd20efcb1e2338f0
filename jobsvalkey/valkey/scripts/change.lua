-- Rerun or remove one job. [FIRST + 3] `rerun`, of a job that has ended, or `remove`, of one that is not processing;
-- [+4] id.
-- Result: `1` where it was done, else `0`. Cost: O(log n).
local known = repeated()
if known then return known end
local wrong = wrong_type(unpack(CHANGED))
if wrong then return wrong end

local action, id = ARGV[FIRST + 3], ARGV[FIRST + 4]
local state, where = place(id)
local allowed = state and state ~= 'processing' and (action == 'remove' or ENDED[state])
return record_always(allowed and change(action, id, state, where) and '1' or '0')
