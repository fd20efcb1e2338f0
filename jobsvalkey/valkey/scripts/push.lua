-- Store jobs that are not there: all of them, or, on an error, none.
-- [FIRST + 3...]: for each job its id, its due time (microseconds, `+` microseconds from now, or empty for now),
-- `1` where the id is a user's, its request.
-- Result: a `1` (stored) or `0` (duplicate) for each. Cost: O(log n) for each job.
local known = repeated()
if known then return known end
local wrong = wrong_type()
if wrong then return wrong end

local answer = {}
for i = FIRST + 3, #ARGV, 4 do
  local id = ARGV[i]
  local duplicate, left = is_known(id)
  if not duplicate then
    store(id, due_at(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3])
    -- Only now: what is left of a job beyond its retention goes by a removal, after which even a full server takes all.
    if left then redis.call('ZREM', ENDED[left[1]].key, id) end
  end
  answer[#answer + 1] = duplicate and '0' or '1'
end
return record(table.concat(answer))
