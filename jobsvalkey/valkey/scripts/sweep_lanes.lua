-- Look at the next of the lines whose limit has changed.
-- uses: layout pending fieldtypes types limits
-- result: 1 if there are more, else 0.
-- cost: O(log n) for each line looked at, at most SWEPT.
local SWEPT = 1000
local refusal = refused(redis.call('GET', LAYOUT))
if refusal then return refusal end
local wrong = fielded_wrong_type()
if wrong then return wrong end
if not has_limits() then return 0 end
count_hints()
redis.call('HDEL', SWEEPS, '') -- a removal first, for a full server: there may be no more lines
local has_more = sweep(SWEPT)
wake()
return has_more and 1 or 0
