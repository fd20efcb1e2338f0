-- Settle a worker's claims and claim jobs that are due, in one step.
-- [FIRST] worker, [+1] sequence, [+2] how many to claim at most, [+3] `1` where an empty exchange is recorded too: one
-- that is sent again, lest its late first sending claims what nobody waits for any more.
-- [+4...]: for each settlement a letter, the job's id, the claim's token, and three more:
--   f finish - - -  |  x fail error keep -  |  r retry request due error (`=` request: unchanged)  |  l release - - -
-- Result: a letter for each settlement (s settled, l claim lost, b broken), the claims, microseconds until the next
-- job is due. Cost: O(log n) for each job.
local worker, sequence = ARGV[FIRST], tonumber(ARGV[FIRST + 1])
local limit, recorded_empty = tonumber(ARGV[FIRST + 2]), ARGV[FIRST + 3] == '1'
local record_key, claims_key = worker_of(worker), claims_of(worker)
local wrong = wrong_type()
if wrong then return wrong end
local known = redis.call('HMGET', record_key, 'expires', 'sequence', 'outcomes')
local expires = tonumber(known[1])
if not expires or expires + 86400000000 <= now then return fault('CLOSED', worker) end
local last = tonumber(known[2]) or -1
if sequence < last then return fault('REFUSED', 'the worker is at ' .. known[2] .. ' already') end

-- One claim as the caller gets it. A job whose metadata is not ours has no request that could be trusted.
local function claim_of(id, token, request, due)
  local kept = fields(id, 'stored', 'recoveries', 'reset', 'error')
  return { id, token, request, due, kept[1] or whole(micro(due)), kept[2] or '0', kept[3] or '', kept[4] or false }
end

local function until_next()
  local head = redis.call('ZRANGE', PENDING, 0, 0, 'WITHSCORES')
  return head[2] and whole(math.max(micro(head[2]) - now, 0)) or false
end

if sequence == last then
  local held, claims = redis.call('HGETALL', claims_key), {}
  local prefix = ARGV[FIRST + 1] .. '.'
  for i = 1, #held, 2 do
    if held[i + 1]:sub(1, #prefix) == prefix then
      local id = held[i]
      local request = redis.call('MGET', payload_of(id))[1]
      if is_broken(meta_of(id), 'hash') then request = false end
      claims[#claims + 1] = claim_of(id, held[i + 1], request, fields(id, 'due')[1] or seconds(now))
    end
  end
  table.sort(claims, function(a, b) return tonumber(a[2]:sub(#prefix + 1)) < tonumber(b[2]:sub(#prefix + 1)) end)
  return { known[3], claims, until_next() }
end

-- Read: what each settlement will do.
local outcomes, ids, settled = {}, {}, {}
for i = FIRST + 4, #ARGV, 6 do
  local id = ARGV[i + 1]
  local outcome = 'l'
  if not ids[id] and redis.call('HGET', claims_key, id) == ARGV[i + 2] then
    local certain = ARGV[i] == 'x' and ARGV[i + 4] == '1'
    if certain or not (is_broken(meta_of(id), 'hash') or is_broken(payload_of(id), 'string')) then
      outcome = 's'
      ids[id] = true
      settled[#settled + 1] = id
    else
      outcome = 'b'
    end
  end
  outcomes[#outcomes + 1] = outcome
end

-- Write: removals first, since a full server refuses a script whose first write adds.
if #settled > 0 then batch('HDEL', claims_key, settled) end
local ended = { completed = 0, failed = 0 }
for n, outcome in ipairs(outcomes) do
  if outcome == 's' then
    local i = FIRST + 4 + (n - 1) * 6
    local kind, id = ARGV[i], ARGV[i + 1]
    if kind == 'f' then
      finish(id, 'completed')
      ended.completed = ended.completed + 1
    elseif kind == 'x' then
      finish(id, 'failed', ARGV[i + 4] == '1', ARGV[i + 3])
      ended.failed = ended.failed + 1
    elseif kind == 'l' then
      release(id)
    else
      local due = seconds(due_at(ARGV[i + 4]))
      if ARGV[i + 3] ~= '=' then redis.call('SET', payload_of(id), ARGV[i + 3]) end
      unmark(id, 'workerID', 'processingStarted', 'due', 'recoveries', 'reset')
      mark(id, 'status', 'pending')
      if ARGV[i + 5] ~= '' then mark(id, 'error', ARGV[i + 5]) end
      redis.call('ZADD', PENDING, due, id)
      wake_for(due)
    end
  end
end
for state, count in pairs(ended) do
  if count > 0 then trim(state, 2 * count + 100) end
end

-- Claim.
local claims = {}
if limit > 0 and expires > now then
  local entries = redis.call('ZRANGEBYSCORE', PENDING, '-inf', seconds(now), 'WITHSCORES', 'LIMIT', 0, limit)
  if #entries > 0 then
    redis.call('ZREMRANGEBYRANK', PENDING, 0, #entries / 2 - 1)
    local keys, held, started = {}, {}, seconds(now)
    for i = 1, #entries, 2 do keys[#keys + 1] = payload_of(entries[i]) end
    local requests = {}
    for from = 1, #keys, 1000 do
      for _, request in ipairs(redis.call('MGET', unpack(keys, from, math.min(from + 999, #keys)))) do
        requests[#requests + 1] = request
      end
    end
    for i = 1, #entries, 2 do
      local id, due, n = entries[i], entries[i + 1], (i - 1) / 2
      local token = ARGV[FIRST + 1] .. '.' .. n
      local claim = claim_of(id, token, requests[n + 1], due)
      local marked = redis.pcall('HSET', meta_of(id), 'status', 'processing', 'workerID', worker,
        'processingStarted', started, 'due', due)
      if type(marked) == 'table' and marked.err then claim[3] = false end
      held[#held + 1] = id
      held[#held + 1] = token
      claims[#claims + 1] = claim
    end
    batch('HSET', claims_key, held)
  end
end
local next_due = until_next()
if next_due == '0' and #claims > 0 then wake() end

local letters = table.concat(outcomes)
if #settled > 0 or #claims > 0 or recorded_empty then
  redis.call('HDEL', record_key, 'outcomes')
  redis.call('HSET', record_key, 'sequence', ARGV[FIRST + 1], 'outcomes', letters)
end
return { letters, claims, next_due }
