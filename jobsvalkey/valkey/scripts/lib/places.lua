-- Where jobs are.
-- uses: keys time pending claims retention envelopes swift
local PAUSED = Q .. '.paused'

-- The state of a job, with its score, or with its claim, or with the Swift worker that has it. For what is left of a job
-- beyond its retention: nil, the state in which it ended, its score.
local function find_job(id)
  local score = redis.call('ZSCORE', PENDING, id)
  if score then return 'pending', score end
  score = redis.call('ZSCORE', PAUSED, id)
  if score then return 'paused', score end
  local claim = redis.call('HGET', CLAIMED, id)
  if claim then return 'processing', claim end
  for state, policy in pairs(ENDED) do
    score = redis.call('ZSCORE', policy.key, id)
    if score then
      if redis.call('ZRANK', policy.key, id) >= first_kept(policy) then return state, score end
      return nil, state, score
    end
  end
  score = redis.call('ZSCORE', KEPT, id)
  if score then return 'failed', score end
  if redis.call('EXISTS', PROCESSING) == 1 and redis.call('LPOS', PROCESSING, id) then
    return 'processing', nil, fields(id, 'workerID')[1] or ''
  end
end

-- Take a job from the place where it is; the score of its due time, if that is known.
local function take(id, state, where)
  if state == 'pending' or state == 'paused' then
    redis.call('ZREM', state == 'pending' and PENDING or PAUSED, id)
    return where
  end
  if state == 'processing' then
    if not where then return take_from_swift(id) end
    local _, _, score, worker = parse_claim(where)
    unclaim({ id }, worker)
    return score
  end
  redis.call('ZREM', ENDED[state].key, id)
  redis.call('ZREM', KEPT, id)
end
