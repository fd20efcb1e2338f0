-- Store one job and move a metadata value, if the value is what is expected.
-- uses: operations jobs duplicates metadata
-- args: name has_expected expected value
-- each job: head request
-- `has_expected` is `1` if a value is expected, and empty if none is.
-- There is one job.
-- result: `stored`, `duplicate` or `unexpected`.
-- cost: O(log n).
local answer = answered()
if answer then return answer end
local wrong = has_wrong_type('zset', PENDING, FIELDED)
if wrong then return wrong end
count_hints()
local failed, present = lock_or_value(name)
if failed then return failed end
if present.holder then return fault('LOCK', META .. name .. ' is a lock that is held, not a value') end
if (present.plain or false) ~= (has_expected == '1' and expected) then return record('unexpected') end

local jobs = jobs_of(each_job)
local id = jobs.ids[1]
local is_duplicate, ended = is_known(id)
if not is_duplicate then store(jobs, function(ids) clear(ids, { [id] = ended }) end) end
redis.call('SET', META .. name, value)
redis.call('HDEL', LOCKS, name)
return record(is_duplicate and 'duplicate' or 'stored')
