-- The end of jobs.
-- uses: time retention envelopes vanishing

-- Put a job, due at `score`, among the ended ones; whether it is kept there. Otherwise the caller lets it vanish. It has
-- been taken from where it was before.
local function end_job(id, state, score, keep, error)
  local policy = ENDED[state]
  if policy.count == 0 and not keep then return false end
  if error then mark(id, 'status', state, 'error', error, 'ended', seconds(now)) else mark(id, 'status', state) end
  keep_stored(id, score)
  redis.call('ZADD', keep and KEPT or policy.key, seconds(now), id)
  return true
end

-- Drop up to `most` of the jobs that are beyond their retention: bounded work, as jobs end.
local function trim(state, most)
  local policy = ENDED[state]
  if not (policy.age or policy.count) then return end
  local last = math.min(first_kept(policy), most) - 1
  if last < 0 then return end
  local entries = redis.call('ZRANGE', policy.key, 0, last, 'WITHSCORES')
  redis.call('ZREMRANGEBYRANK', policy.key, 0, last)
  for i = 1, #entries, 2 do
    -- If age makes it absent, it has been so since then.
    vanish({ entries[i] }, policy.age and math.min(now, micro(entries[i + 1]) + policy.age) or now)
  end
end
