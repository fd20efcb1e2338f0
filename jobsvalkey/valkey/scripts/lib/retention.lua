-- The jobs that have ended, and how long they are kept. `retention` is `age:count` of each state in which a job ends: the
-- largest age in microseconds and the largest number, empty if there is no limit.
-- uses: keys time fielded
-- context: retention
-- A kept job is on no policy's list. It stays until the time that it has in `lasts`, or for ever if it is not there.
local KEPT = META .. '_kept' -- zset: kept jobs that have failed; those of another state: `_kept_STATE`
local ENDED, limits_of = {}, retention:gmatch('(%d*):(%d*)')
for _, state in ipairs(STATES) do
  local age, count = limits_of()
  ENDED[state] = {
    key = Q .. '.' .. state, age = tonumber(age), count = tonumber(count),
    kept = kept_of(state), lasts = lasts_of(state),
  }
end

-- The rank of the first entry that its retention policy keeps.
local function first_kept(policy)
  local first = 0
  if policy.age then first = redis.call('ZCOUNT', policy.key, '-inf', seconds(now - policy.age)) end
  if policy.count then first = math.max(first, redis.call('ZCARD', policy.key) - policy.count) end
  return first
end

-- Until when a kept job lasts, in microseconds; nothing if for ever.
local function lasts_until(policy, id)
  local score = has_fielded() and redis.call('ZSCORE', policy.lasts, id)
  return score and tonumber(score)
end

-- How many jobs of a state are kept.
local function count_kept(state)
  local policy = ENDED[state]
  if not has_fielded() then return state == 'failed' and redis.call('ZCARD', KEPT) or 0 end
  return redis.call('ZCARD', policy.kept) - redis.call('ZCOUNT', policy.lasts, '-inf', whole(now))
end
