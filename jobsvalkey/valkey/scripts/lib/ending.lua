-- The end of jobs.
-- uses: time retention envelopes vanishing news freeing holds

-- Put a job, due at `score`, among the ended ones; whether it is kept there. Otherwise the caller lets it vanish. It has
-- been taken from where it was before. `fielded` may be `laned`, of a job that has but a lane and a priority. `noted` is the field that its end sets, `error` or `result`, if there is one.
local function end_job(id, state, score, fielded, keep, noted, value)
  local policy = ENDED[state]
  local has_more = fielded and fielded ~= 'laned'
  local keep_for = has_more and keep_for_of(id)
  if has_more then free_name(id) end
  if fielded and has_flows() then holds().tell_end(id, state, noted == 'result' and value) end
  if keep_for then announce(id) end
  if policy.count == 0 and not keep and not keep_for then return false end
  if fielded then forget_reports(id) end
  if fielded and has_expiry() then redis.call('ZREM', ENDS_AT, id) end
  if noted then mark(id, 'status', state, noted, value, 'ended', seconds(now)) else mark(id, 'status', state) end
  keep_stored(id, score)
  redis.call('ZADD', (keep or keep_for) and policy.kept or policy.key, seconds(now), id)
  if keep_for and not keep and (policy.age or policy.count) then
    redis.call('ZADD', policy.lasts, whole(now + math.max(tonumber(keep_for), policy.age or 0)), id)
  end
  return true
end

-- Drop up to `most` of the kept jobs, and of the names, of which the time has run out: bounded work, as jobs end and workers are looked after.
local function trim_kept(most)
  if not has_fielded() then return end
  trim_names(most)
  if not has_kept() then return end
  for _, policy in pairs(ENDED) do
    local over = redis.call('ZRANGEBYSCORE', policy.lasts, '-inf', whole(now), 'WITHSCORES', 'LIMIT', 0, most)
    for i = 1, #over, 2 do
      redis.call('ZREM', policy.kept, over[i])
      redis.call('ZREM', policy.lasts, over[i])
      vanish({ over[i] }, tonumber(over[i + 1]))
    end
    most = most - #over / 2
  end
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
