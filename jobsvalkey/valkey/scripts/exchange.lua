-- Settle a worker's claims and claim jobs that are due, in one step.
-- [FIRST] worker, [+1] sequence, [+2] how many to claim at most, [+3] a name for this call, which its repeats share: 16
-- letters for the driver, and a number that rises, [+4] `1` where it is sent again. One that is sent again and does
-- nothing leaves its name: should its first sending, or an earlier call's, arrive only then, it must not claim jobs that
-- nobody waits for any more.
-- [+5...]: the settlements, each a letter, the job's id and the claim's token, and for all but `f` three more:
--   f finish  |  x fail error keep -  |  r retry request due error (`=` request: unchanged)  |  l release - - -
-- Result: a letter for each settlement (s settled, l claim lost, b broken), microseconds until the next job is due (or
-- `expired`, for the lock), then the claims, each id, token, request, score of its due time; last a list of what some of them have kept: number of the
-- claim (from 0), time stored (microseconds), recoveries, `1` where the attempt is reset, error. An entry that is no id
-- has the number -1 there, and stands in the place of the time: it was dropped.
-- Cost: O(log n) for each job.
local ID = '^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$'
local worker, sequence = ARGV[FIRST], tonumber(ARGV[FIRST + 1])
local limit, call, is_repeat = tonumber(ARGV[FIRST + 2]), ARGV[FIRST + 3], ARGV[FIRST + 4] == '1'
local record_key, claims_key = worker_of(worker), claims_of(worker)
TYPES[claims_key] = 'set'
local wrong = wrong_type(PENDING, WAKE, CLAIMED, WORKERS, claims_key)
if not wrong and ARGV[FIRST + 5] then wrong = wrong_type(ENDED.completed.key, ENDED.failed.key, KEPT, IDS) end
if wrong then return wrong end
local known = redis.call('HMGET', record_key, 'expires', 'sequence', 'outcomes', 'in vain')
local expires = tonumber(known[1])
if not expires or expires + 86400000000 <= now then return fault('CLOSED', worker) end
local last = tonumber(known[2]) or -1
if sequence < last then return fault('REFUSED', 'the worker is at ' .. known[2] .. ' already') end

local reply = { '', '' }
local exceptions = {}
local function kept_of(id) return fields(id, 'stored', 'recoveries', 'reset', 'error', 'own', 'status') end

-- Add a claim to the reply. A job whose metadata is not ours has no request that could be trusted.
local function report(id, token, request, score, kept)
  local at = #reply
  reply[at + 1], reply[at + 2], reply[at + 3], reply[at + 4] = id, token, request, score
  if kept and (kept[1] or kept[2] or kept[3] or kept[4]) then
    exceptions[#exceptions + 1] = { (at - 2) / 4, kept[1] or '', kept[2] or '0', kept[3] or '', kept[4] or false }
  end
end
local function answer(letters, next_due)
  reply[1], reply[2] = letters, next_due
  reply[#reply + 1] = exceptions
  return reply
end

local function until_next()
  if expires <= now then return 'expired' end
  local head = redis.call('ZRANGE', PENDING, 0, 0, 'WITHSCORES')
  return head[2] and whole(math.max(micro(head[2]) - now, 0)) or false
end

if sequence == last then
  local claims = {}
  local prefix = ARGV[FIRST + 1] .. '.'
  for _, id in ipairs(redis.call('SMEMBERS', claims_key)) do
    local token, _, score = parts_of(redis.call('HGET', CLAIMED, id) or '')
    if token:sub(1, #prefix) == prefix then
      local request = redis.call('MGET', payload_of(id))[1]
      if is_broken(meta_of(id), 'hash') then request = false end
      claims[#claims + 1] = { tonumber(token:sub(#prefix + 1)), id, token, request, score }
    end
  end
  table.sort(claims, function(a, b) return a[1] < b[1] end)
  for _, claim in ipairs(claims) do report(claim[2], claim[3], claim[4], claim[5], kept_of(claim[2])) end
  return answer(known[3], until_next())
end

-- Read: what each settlement will do.
local outcomes, asked, words, metas, settled, claimed, owned = {}, {}, {}, {}, {}, {}, {}
local word = FIRST + 5
while ARGV[word] do
  local n = #asked + 1
  asked[n], words[n], metas[n] = ARGV[word + 1], word, meta_of(ARGV[word + 1])
  word = word + (ARGV[word] == 'f' and 3 or 6)
end
-- A driver's calls are over one by one: whatever of it arrives after one in vain, and was named no later, is late.
local in_vain = known[4]
if in_vain and in_vain:sub(1, 16) == call:sub(1, 16) and tonumber(in_vain:sub(17)) >= tonumber(call:sub(17)) then
  return answer(('l'):rep(#asked), until_next())
end
local held, some_kept = {}, false
batch('HMGET', CLAIMED, asked, function(found)
  for n = 1, math.min(#asked - #held, 1000) do held[#held + 1] = found[n] end
end)
batch('EXISTS', nil, metas, function(count) some_kept = some_kept or count > 0 end)
for n, id in ipairs(asked) do
  local i = words[n]
  local outcome, claim = 'l', held[n]
  if claim and not claimed[id] and claim:sub(1, #ARGV[i + 2] + 1) == ARGV[i + 2] .. ' ' then
    local _, _, score, holder, own = parts_of(claim)
    if holder == worker then
      local certain = ARGV[i] == 'x' and ARGV[i + 4] == '1'
      if certain or not (some_kept and is_broken(metas[n], 'hash') or is_broken(payload_of(id), 'string')) then
        outcome = 's'
        claimed[id], owned[id] = score, own
        settled[#settled + 1] = id
      else
        outcome = 'b'
      end
    end
  end
  outcomes[n] = outcome
end

-- Write: removals first, since a full server refuses a script whose first write adds.
batch('HDEL', CLAIMED, settled)
batch('SREM', claims_key, settled)
local ended = { completed = 0, failed = 0 }
local gone = {}
for n, outcome in ipairs(outcomes) do
  if outcome == 's' then
    local i = words[n]
    local kind, id = ARGV[i], ARGV[i + 1]
    local score = claimed[id]
    if kind == 'f' and ENDED.completed.count == 0 then
      -- The most frequent case: keys go all at once; the claim says whether the id is to be remembered.
      gone[#gone + 1] = payload_of(id)
      gone[#gone + 1] = metas[n]
      if owned[id] then remember(id, now) end
      ended.completed = ended.completed + 1 -- an earlier policy may have kept some
    elseif kind == 'f' then
      finish(id, 'completed', score)
      ended.completed = ended.completed + 1
    elseif kind == 'x' then
      finish(id, 'failed', score, ARGV[i + 4] == '1', ARGV[i + 3])
      ended.failed = ended.failed + 1
    elseif kind == 'l' then
      release(id, score)
    else
      local due = seconds(due_at(ARGV[i + 4]))
      if ARGV[i + 3] ~= '=' then redis.call('SET', payload_of(id), ARGV[i + 3]) end
      unmark(id, 'recoveries', 'reset')
      keep_stored(id, score)
      if ARGV[i + 5] ~= '' then mark(id, 'error', ARGV[i + 5]) end
      redis.call('ZADD', PENDING, due, id)
      wake_for(due)
    end
  end
end
batch('DEL', nil, gone)
for state, count in pairs(ended) do
  if count > 0 then trim(state, 2 * count + 100) end
end

-- Claim.
local claimed_now = 0
if limit > 0 and expires > now then
  local entries = redis.call('ZRANGEBYSCORE', PENDING, '-inf', seconds(now), 'WITHSCORES', 'LIMIT', 0, limit)
  if #entries > 0 then redis.call('ZREMRANGEBYRANK', PENDING, 0, #entries / 2 - 1) end
  for i = #entries - 1, 1, -2 do
    if not entries[i]:find(ID) then
      table.remove(entries, i + 1)
      exceptions[#exceptions + 1] = { -1, table.remove(entries, i), '', '', false }
    end
  end
  claimed_now = #entries / 2
  if claimed_now > 0 then
    local keys, requests, made, ids = {}, {}, {}, {}
    metas, some_kept = {}, false
    for i = 1, #entries, 2 do
      keys[#keys + 1] = payload_of(entries[i])
      metas[#metas + 1] = meta_of(entries[i])
    end
    batch('MGET', nil, keys, function(found)
      for n = 1, math.min(#keys - #requests, 1000) do requests[#requests + 1] = found[n] end
    end)
    batch('EXISTS', nil, metas, function(count) some_kept = some_kept or count > 0 end)
    local made_at = ' ' .. whole(now) .. ' '
    for n = 1, claimed_now do
      local id, score, token = entries[2 * n - 1], entries[2 * n], ARGV[FIRST + 1] .. '.' .. (n - 1)
      local kept
      if some_kept then
        kept = kept_of(id)
        if kept[6] then unmark(id, 'status') end
        if is_broken(metas[n], 'hash') then requests[n] = false end
      end
      report(id, token, requests[n], score, kept)
      ids[n] = id
      made[2 * n - 1] = id
      made[2 * n] = token .. made_at .. score .. (kept and kept[5] and ' ! ' or ' - ') .. worker
    end
    batch('HSET', CLAIMED, made)
    batch('SADD', claims_key, ids)
    -- Recovery has dropped a worker whose lock had run out; if the server's clock has stepped back since, it has not.
    redis.call('ZADD', WORKERS, whole(expires), worker)
  end
end
local next_due = until_next()
if next_due == '0' and claimed_now > 0 then wake() end

local letters = table.concat(outcomes)
if #settled > 0 or claimed_now > 0 then
  redis.call('HSET', record_key, 'sequence', ARGV[FIRST + 1], 'outcomes', letters)
elseif is_repeat then
  redis.call('HDEL', record_key, 'in vain') -- a removal first, for a full server
  redis.call('HSET', record_key, 'in vain', call)
end
return answer(letters, next_due)
