-- Note what is reported of a worker's claims, settle some, end jobs that have expired, and claim jobs that are due, in one
-- step.
-- uses: layout types claims pending
-- args: worker sequence limit max_bytes call is_repeat
-- `limit` is how many to claim at most, `max_bytes` how many bytes their requests and states have together at most, but
-- for a single one. `call` is a name for this call, which its repeats share: 16 letters for the driver, and a number that rises.
-- `is_repeat` is `1` if it is sent again. A call that is sent again and does nothing leaves its name behind. Its first
-- sending, or an earlier call, may still be on the way. If it arrives, it must not claim jobs that nobody waits for.
-- each settlement: report id token given progress state | d id token | complete id token result | fail id token error keep | retry id token request due error | release id token | cancel id token reason
-- Reports come first; `given` names what they have, `progress`, `state` or both. `d`, done, is the finish of a job without
-- a result, the word that is sent most, and `complete` that of one that has a result.
-- `keep` is `1` to keep the job whatever the retention policy. `request` is `=` if it is unchanged; one that begins with that letter has one more of them.
-- result: an outcome for each settlement, and, if there are reports, `/` and one for each of them; microseconds until the next job is due, or `expired` for the lock; the claims, each id, token, request,
-- score of its due time; what some of them have kept: number of the claim (from 0), time stored (microseconds), recoveries,
-- `1` if the attempt is reset, error, and its fields: name, value, …; what was dropped: entries that were no ids,
-- and jobs that Swift workers had ended; if the worker's record lists any, the tokens of claims whose end is asked for; if a job of
-- the queue has ever had a lane or a priority, the priority and the lane of each claim, which are here only if it has no other field.
-- cost: O(log n) for each job.
local SETTLED, CLAIM_LOST, BROKEN, AGAIN = 's', 'l', 'b', 'a'
local ID = '^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$'
local CHUNK = 16 -- requests that are read at once, since they may be large; twice as many after each chunk of small ones
local LOOKS = 100 -- overdue jobs that are passed over at most, while there are more than end here
local refusal = refused(redis.call('GET', LAYOUT))
if refusal then return refusal end
local is_paused = is_queue_paused()
local record_key = worker_of(worker)
local expires, last, recorded, in_vain, listed =
  unpack(redis.call('HMGET', record_key, 'expires', 'sequence', 'outcomes', 'in vain', 'aborts'), 1, 5)
expires = tonumber(expires)
if not expires or expires + WORKER_MEMORY <= now then return fault('CLOSED', worker) end
if last and tonumber(sequence) < tonumber(last) then
  return fault('REFUSED', 'the worker is at ' .. last .. ' already')
end

local claims, exceptions, dropped, lines = {}, {}, {}, has_lines() and {} or nil

-- Add a claim to the reply; `held` are the fields of a fielded job, or its line, which tells them, and the rest is what its
-- envelope says, if it has one.
local function tell(id, token, request, score, held, stored, recoveries, reset, error)
  local at = #claims
  claims[at + 1], claims[at + 2], claims[at + 3], claims[at + 4] = id, token, request, score
  if lines then
    local is_line = held and held.key
    lines[at / 2 + 1], lines[at / 2 + 2] = is_line and held.priority or '0', is_line and held.lane or ''
    if is_line then held = nil end
  end
  if stored or recoveries or reset or error or held then
    local exception = { at / 4, stored or '', recoveries or '0', reset or '', error or false, unpack(held or {}) }
    exceptions[#exceptions + 1] = exception
  end
end

local function until_next()
  if expires <= now then return 'expired' end
  local first, expiry = not is_paused and first_claimable(), first_expiry()
  local next_time = first or expiry
  return next_time and whole(math.max(math.min(next_time, expiry or next_time) - now, 0)) or false
end
local function answer(outcomes, next_due)
  if listed then
    -- uses: aborting
    return { outcomes, next_due, claims, exceptions, dropped, aborts_of(worker, listed), lines }
  end
  return { outcomes, next_due, claims, exceptions, dropped, lines and false, lines }
end

if last and tonumber(sequence) == tonumber(last) then
  -- uses: claims envelopes told types
  local prefix, numbers, by_number = sequence .. '.', {}, {}
  local ids, held = claims_held(worker)
  for n, id in ipairs(ids) do
    local token, _, score, _, _, _, fielded = parse_claim(held[n])
    if token:sub(1, #prefix) == prefix then
      local number_of_claim = tonumber(token:sub(#prefix + 1))
      numbers[#numbers + 1] = number_of_claim
      by_number[number_of_claim] = { id, token, score, fielded }
    end
  end
  table.sort(numbers)
  for _, number_of_claim in ipairs(numbers) do
    local id, token, score, fielded = unpack(by_number[number_of_claim])
    local request = redis.call('MGET', payload_of(id))[1]
    -- A job whose envelope is not ours has no request that could be trusted.
    if is_broken(envelope_of(id), 'hash') then request = false end
    local stored, recoveries, reset, error = envelope(id, 'processing')
    tell(id, token, request, score, fielded and (told_of(id)), stored, recoveries, reset, error)
  end
  if is_repeat == '1' then -- `WAIT` speaks of what a connection has written, and this one may be new
    redis.call('HDEL', record_key, 'sequence') -- a removal first, for a full server
    redis.call('HSET', record_key, 'sequence', sequence)
  end
  return answer(recorded, until_next())
end

local reports, last_report = {}, nil
local first, first_kind, first_id, first_token = each_settlement()
while first_kind == 'report' do
  last_report, reports[#reports + 1] = first, { at = first, id = first_id, token = first_token }
  first, first_kind, first_id, first_token = each_settlement(nil, first)
end
local ids, kinds, tokens, places = {}, {}, {}, {}
for at, kind, id, token in each_settlement, nil, last_report do
  local n = #ids + 1
  ids[n], kinds[n], tokens[n], places[n] = id, kind, token, at
end
-- A driver makes one call after the other. So once a call was in vain, any of its calls with no higher name is late.
if in_vain and in_vain:sub(1, 16) == call:sub(1, 16) and tonumber(in_vain:sub(17)) >= tonumber(call:sub(17)) then
  return answer(CLAIM_LOST:rep(#ids) .. (#reports > 0 and '/' .. CLAIM_LOST:rep(#reports) or ''), until_next())
end
local is_claiming = tonumber(limit) > 0 and expires > now and not is_paused
local wrong = has_wrong_type('zset', PENDING) or is_claiming and (has_wrong_type('hash', CLAIMED)
  or has_wrong_type('zset', WORKERS) or has_wrong_type('set', claims_of(worker)))
if has_fielded() or #reports > 0 then
  -- uses: fieldtypes
  wrong = wrong or fielded_wrong_type(#reports > 0)
end
if wrong then return wrong end
count_hints()

-- Read: which reports are of claims that are held, and which of their jobs become fielded by them.
local reported, noted, made_fielded = {}, {}, {}
if #reports > 0 then
  -- uses: claims envelopes fielded
  local reported_ids = {}
  for n, report in ipairs(reports) do reported_ids[n] = report.id end
  local held = gather('HMGET', CLAIMED, reported_ids)
  for n, report in ipairs(reports) do
    local id, claim, start = report.id, held[n] or '', report.token .. ' '
    local _, _, _, holder, _, _, fielded = parse_claim(claim)
    if claim:sub(1, #start) ~= start or holder ~= worker then
      reported[n] = CLAIM_LOST
    elseif is_broken(fields_of(id), 'hash') or is_broken(envelope_of(id), 'hash') or is_broken(payload_of(id), 'string') then
      reported[n] = BROKEN
    else
      reported[n], noted[#noted + 1] = SETTLED, report
      if not fielded then made_fielded[id] = claim end
    end
  end
end

local outcomes, settled, overdue, room_since, is_rated = {}, {}, 0, nil, false
if #ids > 0 or #noted > 0 or is_claiming and has_fielded() or has_expiry() then
  -- uses: claims ending holds
  -- Read: what each settlement will do.
  local envelopes, dues, remember, fielded, checks, lanes, keeps = {}, {}, {}, {}, {}, {}, {}
  local is_trace_left = ENDED.completed.count ~= 0
  for n, id in ipairs(ids) do envelopes[n] = envelope_of(id) end
  local held, has_envelopes = gather('HMGET', CLAIMED, ids), count_existing(envelopes) > 0
  for n, id in ipairs(ids) do
    local claim = held[n]
    outcomes[n] = CLAIM_LOST
    if claim and not dues[id] then
      local token, _, due, holder, is_remembered, is_aborted, is_fielded_one, lane, keep_for = parse_claim(claim)
      if token == tokens[n] and holder == worker then
        if made_fielded[id] then is_fielded_one = true end
        if is_aborted and (kinds[n] == 'retry' or kinds[n] == 'release') then kinds[n] = 'abort' end
        local kind, at, is_kept = kinds[n], places[n], false
        if kind == 'fail' then
          -- words: fail
          is_kept = keep == '1'
        end
        if not is_kept and (has_envelopes and is_broken(envelopes[n], 'hash') or is_broken(payload_of(id), 'string')) then
          outcomes[n] = BROKEN
        elseif is_fielded_one and has_flows() and kind ~= 'retry' and kind ~= 'release' and not holds().may_tell(id) then
          outcomes[n] = AGAIN
        else
          outcomes[n], settled[#settled + 1] = SETTLED, id
          is_trace_left = is_trace_left or kind ~= 'd' or is_fielded_one and (is_fielded_one ~= 'laned' or has_flows())
          dues[id], checks[kind] = due, true
          if keep_for then keeps[id] = keep_for end
          if is_remembered then remember[id] = true end
          if lane and lane ~= '' then add_to_lane(lanes, lane, id) end
          if is_fielded_one then fielded[id] = is_fielded_one end
        end
      end
    end
  end
  wrong = (checks.d or checks.complete) and has_wrong_type('zset', ENDED.completed.key, IDS)
    or checks.fail and has_wrong_type('zset', ENDED.failed.key, KEPT, IDS)
    or (checks.cancel or checks.abort) and has_wrong_type('zset', ENDED.cancelled.key, IDS)
  if wrong then return wrong end

  -- Write. A full server refuses a script whose first write adds.
  if is_trace_left and #settled > 0 or #noted > 0 then redis.call('HDEL', record_key, '') end
  if #noted > 0 then
    -- uses: layout claims fielded
    begin_to_use(REPORTS)
    for _, report in ipairs(noted) do
      local id, at, values = report.id, report.at, {}
      -- words: report
      if given:find('progress', 1, true) then values[1], values[2] = 'progress', progress end
      if given:find('state', 1, true) then values[#values + 1], values[#values + 2] = 'state', state end
      redis.call('HSET', fields_of(id), unpack(values))
      if made_fielded[id] then redis.call('HSET', CLAIMED, id, with_note(made_fielded[id], 'fielded')) end
    end
  end
  local gone, completed, failed, cancelled = settled, #settled, 0, 0
  if is_trace_left then
    -- uses: pending ending runs
    local entries, others = {}, {}
    gone, completed = {}, 0
    local function end_claimed(id, state, keep, noted, value)
      if end_job(id, state, dues[id], fielded[id], keep, noted, value, keeps[id] or false, not has_envelopes) then return true end
      gone[#gone + 1] = id
    end
    local function go_back(id, due)
      local list = fielded[id] and others or entries
      list[#list + 1], list[#list + 2] = due, id
    end
    for n, outcome in ipairs(outcomes) do
      if outcome == SETTLED then
        local kind, id, at = kinds[n], ids[n], places[n]
        if kind == 'd' then
          completed = completed + 1
          end_claimed(id, 'completed')
        elseif kind == 'complete' then
          -- words: complete
          completed = completed + 1
          end_claimed(id, 'completed', false, 'result', result)
        elseif kind == 'fail' then
          -- words: fail
          failed = failed + 1
          if end_claimed(id, 'failed', keep == '1', 'error', error) then note_run(id, worker, error) end
        elseif kind == 'retry' then
          -- words: retry
          if request:byte() == 61 then request = request ~= '=' and request:sub(2) end -- it begins with `=`
          if request then redis.call('SET', payload_of(id), request) end
          unmark(id, 'recoveries', 'reset')
          keep_stored(id, dues[id])
          if error ~= '' then
            mark(id, 'error', error, 'ended', '-')
            note_run(id, worker, error)
          end
          go_back(id, seconds(due_at(due)))
        elseif kind == 'cancel' or kind == 'abort' then
          cancelled = cancelled + 1
          local is_kept = end_claimed(id, 'cancelled')
          if kind == 'cancel' then
            -- words: cancel
            if is_kept and reason ~= '' then mark(id, 'error', reason, 'ended', '-') end
          end
        else
          go_back(id, dues[id])
        end
      end
    end
    enter(entries, others)
    list_ended()
  end
  room_since = unclaim(settled, worker, lanes, is_claiming)
  vanish(gone, now, remember, not has_envelopes)
  if completed > 0 then trim('completed', 2 * completed + 100) end
  if failed > 0 then trim('failed', 2 * failed + 100) end
  if cancelled > 0 then trim('cancelled', 2 * cancelled + 100) end
  if listed then
    -- uses: aborting
    local _, left = aborts_of(worker, listed)
    listed = #left > 0 and table.concat(left, ' ')
    redis.call('HDEL', record_key, 'aborts') -- a removal first, for a full server
    if listed then redis.call('HSET', record_key, 'aborts', listed) end
  end
  if has_expiry() then
    -- uses: expiring
    overdue = end_overdue()
  end
  if has_fielded() then
    -- uses: ending
    trim_kept(100)
  end
end

-- Claim: as many of the due jobs as fit.
local claimed, has_lost = 0, false
if is_claiming then
  local function due_of(list, more)
    return redis.call('ZRANGEBYSCORE', list, '-inf', seconds(now), 'WITHSCORES', 'LIMIT', 0, limit + (more or 0))
  end
  local due, kinds, fielded_taken, told, serve, is_late = due_of(PENDING), {}, {}, nil, nil, false
  if has_fielded() then
    -- uses: merging told
    while bring_home(due) do due = due_of(PENDING) end
    local has_more_overdue = (first_expiry() or now + 1) <= now
    due, kinds = merged(due, has_more_overdue and unexpired(due_of(FIELDED, LOOKS)) or due_of(FIELDED))
    told = told_of
    if has_lines() then
      -- uses: turning
      due, kinds, serve, is_late, has_lost = in_turn(due, kinds, tonumber(limit), LOOKS, has_more_overdue)
    end
  end
  local keys, taken, bytes, budget, is_full, chunk = {}, 0, 0, tonumber(max_bytes), false, CHUNK
  local ids, scores, requests, envelopes, extras = {}, {}, {}, {}, {}
  for n = 1, #due / 2 do keys[n] = payload_of(due[2 * n - 1]) end
  while taken < #keys and not is_full do
    local before, found = taken, redis.call('MGET', unpack(keys, taken + 1, math.min(taken + chunk, #keys)))
    for n = 1, math.min(chunk, #keys - before) do
      local id, request = due[2 * taken + 1], found[n]
      local is_job = id:find(ID)
      if is_job and not request then
        -- uses: swift
        is_job = not has_ended_in_swift(id)
      end
      if is_job then
        local held, size = nil, 0
        if kinds[id] then held, size = told(id, kinds[id]) end
        bytes = bytes + #(request or '') + size
        is_full = claimed > 0 and bytes > budget
        if is_full then break end
        claimed = claimed + 1
        ids[claimed], scores[claimed], requests[claimed] = id, due[2 * taken + 2], request
        envelopes[claimed] = keys[taken + 1] .. '.metadata'
        if held then extras[claimed] = held end
      else
        dropped[#dropped + 1] = id
      end
      taken = taken + 1
      if kinds[id] then fielded_taken[#fielded_taken + 1] = id end
    end
    if bytes < budget / 64 then chunk = 2 * chunk end
  end
  local remembered, token = {}, sequence .. '.%d'
  if count_existing(envelopes) > 0 then
    -- uses: envelopes types
    for n, id in ipairs(ids) do
      local stored, recoveries, reset, error, remember, void = envelope(id, 'pending', scores[n])
      if void[1] then unmark(id, unpack(void)) end
      -- A job whose envelope is not ours has no request that could be trusted.
      local request = not is_broken(envelopes[n], 'hash') and requests[n]
      remembered[n] = remember
      tell(id, token:format(n - 1), request, scores[n], extras[n], stored, recoveries, reset, error)
    end
  else
    for n, id in ipairs(ids) do tell(id, token:format(n - 1), requests[n], scores[n], extras[n]) end
  end
  local made, made_at = {}, ' ' .. whole(now) .. ' '
  for n, id in ipairs(ids) do
    made[2 * n - 1] = id
    made[2 * n] = claims[4 * n - 2] .. made_at .. scores[n] .. ' ' .. notes_of(remembered[n], kinds[id], extras[n]) .. ' ' .. worker
  end
  -- A removal first, for a full server.
  if (taken > 0 or is_late) and #settled == 0 and #noted == 0 then redis.call('HDEL', record_key, '') end
  if features:find('u', 1, true) then
    -- uses: names
    for n, id in ipairs(ids) do
      if extras[n] then free_at_start(id, extras[n]) end
    end
  end
  -- Recovery has dropped a worker whose lock had run out; if the server's clock has stepped back since, it has not.
  if claimed > 0 then redis.call('ZADD', WORKERS, whole(expires), worker) end
  batch('SADD', claims_of(worker), ids)
  batch('HSET', CLAIMED, made)
  local plain_taken = taken - #fielded_taken
  if plain_taken > 0 then redis.call('ZREMRANGEBYRANK', PENDING, 0, plain_taken - 1) end
  if has_fielded() then
    -- uses: fielded
    batch('ZREM', FIELDED, fielded_taken)
    if serve and (taken > 0 or is_late) then is_rated = serve(taken, ids) end
    if has_expiry() then batch('ZREM', ENDS_AT, fielded_taken) end
  end
end
if has_limits() then
  -- uses: leaving
  end_leaving()
end
if features:find('a', 1, true) then
  -- uses: activity
  local done, waited, stored_at = { finish = 0, fail = 0, retry = 0, cancel = overdue }, 0, {}
  local names = { d = 'finish', complete = 'finish', fail = 'fail', retry = 'retry', cancel = 'cancel', abort = 'cancel' }
  for n, outcome in ipairs(outcomes) do
    local name = outcome == SETTLED and names[kinds[n]]
    if name then done[name] = done[name] + 1 end
  end
  for _, exception in ipairs(exceptions) do stored_at[exception[1]] = number(exception[2]) end
  for n = 0, claimed - 1 do
    waited = waited + math.max(now - math.max(micro(claims[4 * n + 4]), stored_at[n] or 0), 0)
  end
  if claimed + done.finish + done.fail + done.retry + done.cancel > 0 then
    count_activity({ claimed, done.finish, done.fail, done.retry, done.cancel, waited })
  end
end
local next_due = until_next()
-- If a rate is used up, or a lane has room for a job that is due later, whoever waits learns until when. A worker whose lock
-- has run out does not know what is due.
if is_rated or next_due == '0' and claimed > 0 or room_since and (next_due == '0' or next_due == 'expired' or room_since > now) then
  -- uses: pending
  wake()
end

-- Nobody is to look for the jobs of a line that is lost without a pause.
if has_lost and claimed == 0 and next_due == '0' then next_due = '100000' end

local letters = table.concat(outcomes)
if #reports > 0 then letters = letters .. '/' .. table.concat(reported) end
if #settled > 0 or #noted > 0 or claimed > 0 then
  redis.call('HSET', record_key, 'sequence', sequence, 'outcomes', letters)
elseif is_repeat == '1' then
  redis.call('HDEL', record_key, 'in vain') -- a removal first, for a full server
  redis.call('HSET', record_key, 'in vain', call)
end
return answer(letters, next_due)
