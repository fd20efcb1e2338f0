-- Push one job and move a metadata value, if the value is what is expected.
-- uses: operations planning metadata
-- args: name has_expected expected value
-- each job: head request
-- `has_expected` is `1` if a value is expected, and empty if none is.
-- There is one job.
-- result: as `push` for a single job, or `unexpected`.
-- cost: O(log n).
local answer = answered()
if answer then return answer end
count_hints()
local jobs = jobs_of(each_job)
local wrong = has_wrong_type('zset', PENDING) or jobs_wrong_type(jobs)
if wrong then return wrong end
local failed, present = lock_or_value(name)
if failed then return failed end
if present.holder then return fault('LOCK', META .. name .. ' is a lock that is held, not a value') end
if (present.plain or false) ~= (has_expected == '1' and expected) then return record('unexpected') end

local letters, holders, todo, make_room, hold_all = plan(jobs, each_job)
if not todo then return record_always(letters) end
store(todo, make_room)
hold_all()
redis.call('SET', META .. name, value)
redis.call('HDEL', LOCKS, name)
return record(letters .. (holders[1] and ' ' .. holders[1] or ''))
