-- Cancel a pending, paused or waiting job.
-- uses: operations types places cancelling fieldtypes
-- args: id
-- result: `1` if it was cancelled, else `0`.
-- cost: O(log n).
local answer = answered()
if answer then return answer end
local wrong = has_wrong_type('zset', PENDING, PAUSED, ENDED.cancelled.key, IDS)
  or fielded_wrong_type()
if wrong then return wrong end
if has_flows() then count_hints() end

local state, where = find_job(id)
if state ~= 'pending' and state ~= 'paused' and state ~= 'waiting' then return record_always('0') end
remove_first()
cancel(id, state, where, where)
return record('1')
