-- The jobs that have ended, and how long they are kept. `retention` is `state:age:count` of each state in which a job ends:
-- the largest age in microseconds and the largest number, empty if there is no limit.
-- uses: keys time
-- context: retention
local KEPT = META .. '_kept' -- zset: failed jobs that no retention policy removes
local ENDED = {}
for state, age, count in retention:gmatch('(%a+):(%d*):(%d*)') do
  ENDED[state] = { key = Q .. '.' .. state, age = tonumber(age), count = tonumber(count) }
end

-- The rank of the first entry that its retention policy keeps.
local function first_kept(policy)
  local first = 0
  if policy.age then first = redis.call('ZCOUNT', policy.key, '-inf', seconds(now - policy.age)) end
  if policy.count then first = math.max(first, redis.call('ZCARD', policy.key) - policy.count) end
  return first
end
