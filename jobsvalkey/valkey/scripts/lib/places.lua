-- Where jobs are.
-- uses: keys time pending claims retention envelopes swift fielded holds
local PAUSED = Q .. '.paused'

-- The state of a job, with its score, or with its claim, or with the Swift worker that has it. For what is left of a job
-- beyond its retention: nil, the state in which it ended, since when it is absent (microseconds).
local function find_job(id)
  local score = redis.call('ZSCORE', PENDING, id)
  if score then return 'pending', score end
  score = redis.call('ZSCORE', PAUSED, id)
  if score then return 'paused', score end
  if has_fielded() then
    score = redis.call('ZSCORE', FIELDED, id) or has_lines() and redis.call('ZSCORE', LANED, id)
    if score then return 'pending', score end
    score = redis.call('ZSCORE', FIELDED_PAUSED, id)
    if score then return 'paused', score end
    score = has_flows() and redis.call('ZSCORE', WAITING, id)
    if score then return 'waiting', score end
  end
  local claim = redis.call('HGET', CLAIMED, id)
  if claim then return 'processing', claim end
  for state, policy in pairs(ENDED) do
    score = redis.call('ZSCORE', policy.key, id)
    if score then
      if redis.call('ZRANK', policy.key, id) >= first_kept(policy) then return state, score end
      return nil, state, policy.age and math.min(now, micro(score) + policy.age) or now
    end
  end
  for state, policy in pairs(ENDED) do
    score = (state == 'failed' or has_kept()) and redis.call('ZSCORE', policy.kept, id)
    if score then
      local last = lasts_until(policy, id)
      if last and last <= now then return nil, state, last end
      return state, score
    end
  end
  if redis.call('EXISTS', PROCESSING) == 1 and redis.call('LPOS', PROCESSING, id) then
    return 'processing', nil, fields(id, 'workerID')[1] or ''
  end
end

-- Take a job from the place where it was found. It has been added to its new place before: if a right were taken away in
-- between, it would be in two places, and not in none.
local function take(id, state, where)
  if state == 'pending' then
    redis.call('ZREM', PENDING, id)
    if has_fielded() then redis.call('ZREM', FIELDED, id) end
    if has_lines() then leave_lines({ id }) end
  elseif state == 'paused' then
    redis.call('ZREM', PAUSED, id)
    if has_fielded() then redis.call('ZREM', FIELDED_PAUSED, id) end
  elseif state == 'waiting' then
    holds().leave_waiting(id)
  elseif state ~= 'processing' then
    redis.call('ZREM', ENDED[state].key, id)
    redis.call('ZREM', KEPT, id)
    if has_kept() then
      redis.call('ZREM', ENDED[state].kept, id)
      redis.call('ZREM', ENDED[state].lasts, id)
    end
  elseif where then
    local _, _, _, worker = parse_claim(where)
    if unclaim({ id }, worker) then wake() end
  else
    take_from_swift(id)
  end
end
