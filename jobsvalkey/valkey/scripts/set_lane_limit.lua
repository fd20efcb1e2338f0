-- Set or remove the limit of some lanes, and look at the first of the lines that it concerns.
-- uses: operations pending fieldtypes types limits
-- args: pattern limit
-- `limit` is `most n per`: how many claims a lane may have, and how many may begin in `per` microseconds, each `-` for any
-- number; or empty for no limit.
-- result: `full` if there are as many limits as there may be, `more` if there are more lines to look at, else `done`.
-- cost: O(log n) for each line looked at, at most SWEPT; for the first limit of a queue O(claims).
local MOST_LIMITS, SWEPT = 100, 1000
local answer = answered()
if answer then return answer end
local wrong = has_wrong_type('hash', CLAIMED, LIMITED, SWEEPS, TURNS)
  or has_wrong_type('zset', LANES, PRIORITIES, RATED)
  or fielded_wrong_type()
if wrong then return wrong end
count_hints()
if limit ~= '' and redis.call('HEXISTS', LIMITED, pattern) == 0
  and redis.call('HLEN', LIMITED) > MOST_LIMITS then return 'full' end
remove_first()
set_limit(pattern, limit)
local has_more = sweep(SWEPT)
wake()
return record(has_more and 'more' or 'done')
