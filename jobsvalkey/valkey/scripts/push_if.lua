-- Store one job and move a metadata value, where the value is what is expected.
-- [FIRST + 3] metadata key, [+4] `1` where a value is expected, [+5] the value expected, [+6] the new value;
-- then the job as for a push: [+7] its head, [+8] its request.
-- Result: `p` pushed, `d` duplicate, `u` unexpected. Cost: O(log n).
local known = repeated()
if known then return known end
local wrong = wrong_type(PENDING, WAKE)
if wrong then return wrong end

local name = ARGV[FIRST + 3]
local failed, value = lock_or_value(name)
if failed then return failed end
if value.holder then return fault('LOCK', META .. name .. ' is a lock that is held, not a value') end
if (value.plain or false) ~= (ARGV[FIRST + 4] == '1' and ARGV[FIRST + 5]) then return record('u') end

local job = new_job(ARGV[FIRST + 7], ARGV[FIRST + 8])
local id = job[1]
local duplicate, left = is_known(id)
redis.call('SET', META .. name, ARGV[FIRST + 6])
redis.call('HDEL', LOCKS, name)
if duplicate then return record('d') end
store({ job }, { { id, left and left[1] } })
return record('p')
