-- The end of jobs.
-- uses: time retention envelopes vanishing news freeing holds

local entries_of, announced, ended_at = {}, {}, nil
local function add_entry(list, score, id)
  local entries = entries_of[list] or {}
  entries[#entries + 1], entries[#entries + 2], entries_of[list] = score, id, entries
end

-- Put a job, due at `score`, among the ended ones; whether it is kept there. Otherwise the caller lets it vanish. It has
-- been taken from where it was before. `fielded` may be `laned`, of a job that has but a lane and a priority. `noted` is the field that its end sets, `error` or `result`, if there is one.
-- `keep_for` is what its claim says of that, and `is_bare` that it has no envelope, if the caller knows. `list_ended` follows.
local function end_job(id, state, score, fielded, keep, noted, value, keep_for, is_bare)
  local policy = ENDED[state]
  local has_more = fielded and fielded ~= 'laned'
  if has_more and keep_for == nil then keep_for = keep_for_of(id) end
  if has_more then free_name(id) end
  if fielded and has_flows() then holds().tell_end(id, state, noted == 'result' and value) end
  if keep_for then announced[#announced + 1] = id end
  if policy.count == 0 and not keep and not keep_for then return false end
  if fielded then forget_reports(id) end
  if fielded and has_expiry() then redis.call('ZREM', ENDS_AT, id) end
  ended_at = ended_at or seconds(now)
  local place = is_bare and { 'stored', whole(micro(score)) } or {}
  if noted then place[#place + 1], place[#place + 2], place[#place + 3], place[#place + 4] = noted, value, 'ended', ended_at end
  mark(id, 'status', state, unpack(place))
  if not is_bare then keep_stored(id, score) end
  add_entry((keep or keep_for) and policy.kept or policy.key, ended_at, id)
  if keep_for and not keep and (policy.age or policy.count) then
    add_entry(policy.lasts, whole(now + math.max(tonumber(keep_for), policy.age or 0)), id)
  end
  return true
end

-- List the jobs that have been ended, all at once, and tell those who wait for them. Before they are taken from where they were.
local function list_ended()
  for list, entries in pairs(entries_of) do batch('ZADD', list, entries) end
  announce(announced)
  entries_of, announced = {}, {}
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
