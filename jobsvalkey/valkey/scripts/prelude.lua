-- What all scripts share; it stands before each of them.
--
-- KEYS[1]     the queue key Q; all other keys are derived from it and lie in its slot.
-- ARGV[1]     the time in microseconds where a clock is injected, else empty: then the server's clock counts.
-- ARGV[2..7]  retention of completed, failed and cancelled jobs: for each the largest age in microseconds and the
--             largest number, empty where there is no limit.
-- ARGV[8]     idempotency window in microseconds.
-- ARGV[9...]  the script's own arguments; FIRST is the number of the first one.
--
-- Times are whole microseconds in Lua, and Unix seconds with six decimals in the keys that Swift reads, too.

local FIRST = 9
local Q = KEYS[1]
local injected = ARGV[1] ~= ''
local now
if injected then
  now = tonumber(ARGV[1])
else
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local window = tonumber(ARGV[8])

local PENDING, PAUSED, PROCESSING = Q .. '.pending', Q .. '.paused', Q .. '.processing'
local META = Q .. '.metadata.'
local WORKERS = META .. '_workers' -- zset: worker, expiry of its lock; only those that may hold claims
local CLAIMED = META .. '_claimed' -- hash: id, claim on it: `token started due own worker`
local IDS = META .. '_ids' -- zset: ids of users whose jobs are gone, until when they are remembered
local KEPT = META .. '_kept' -- zset: failed jobs that no retention policy removes
local WAKE = META .. '_wake' -- list: at most one hint for a waiting worker
local LOCKS = META .. '_locks' -- hash: lock, its expiry; with an injected clock only
local ENDED = {
  completed = { key = Q .. '.completed', age = tonumber(ARGV[2]), count = tonumber(ARGV[3]) },
  failed = { key = Q .. '.failed', age = tonumber(ARGV[4]), count = tonumber(ARGV[5]) },
  cancelled = { key = Q .. '.cancelled', age = tonumber(ARGV[6]), count = tonumber(ARGV[7]) },
}

local function payload_of(id) return Q .. '/' .. id end
local function meta_of(id) return Q .. '/' .. id .. '.metadata' end
local function worker_of(worker) return META .. '_worker.' .. worker end -- hash: expires, sequence, outcomes
local function claims_of(worker) return META .. '_claims.' .. worker end -- set: ids of its claims

local function whole(microseconds) return string.format('%.0f', microseconds) end
local function seconds(microseconds) return string.format('%.6f', microseconds / 1000000) end
local function micro(score) return math.floor(tonumber(score) * 1000000 + 0.5) end

local function fault(code, text) return redis.error_reply('JOBS' .. code .. ' ' .. text) end

-- A variadic command over any number of arguments, after `first`; Lua's stack holds some thousands.
-- The replies of the parts are handed to `each`.
local function batch(command, first, arguments, each)
  for from = 1, #arguments, 1000 do
    local part = { unpack(arguments, from, math.min(from + 999, #arguments)) }
    if first then table.insert(part, 1, first) end
    local reply = redis.call(command, unpack(part))
    if each then each(reply) end
  end
end

-- An error where a key of the queue holds another type. A script asks for what it is going to write and has not read
-- by then, as Lua does not roll back.
local TYPES = {
  [PENDING] = 'zset', [PAUSED] = 'zset', [WORKERS] = 'zset', [IDS] = 'zset', [KEPT] = 'zset',
  [PROCESSING] = 'list', [WAKE] = 'list', [CLAIMED] = 'hash', [LOCKS] = 'hash',
}
for _, policy in pairs(ENDED) do TYPES[policy.key] = 'zset' end
local function wrong_type(...)
  for _, key in ipairs({ ... }) do
    local found = redis.call('TYPE', key).ok
    if found ~= 'none' and found ~= TYPES[key] then
      return fault('TYPE', key .. ' holds a ' .. found .. ', not a ' .. TYPES[key])
    end
  end
end

-- Whether `key` holds something else than `expected`.
local function is_broken(key, expected)
  local found = redis.call('TYPE', key).ok
  return found ~= 'none' and found ~= expected
end

-- Fields of a job's metadata; none where the key holds something else.
local function fields(id, ...)
  local found = redis.pcall('HMGET', meta_of(id), ...)
  if found.err then return {} end
  return found
end

-- Set fields of a job's metadata. The place of a job is its state: where the key holds something else, they are lost.
local function mark(id, ...) redis.pcall('HSET', meta_of(id), ...) end
local function unmark(id, ...) redis.pcall('HDEL', meta_of(id), ...) end

-- The rank of the first entry that its retention policy keeps.
local function first_kept(policy)
  local first = 0
  if policy.age then first = redis.call('ZCOUNT', policy.key, '-inf', seconds(now - policy.age)) end
  if policy.count then first = math.max(first, redis.call('ZCARD', policy.key) - policy.count) end
  return first
end

-- The parts of a claim as it stands in CLAIMED: token, when it was made (microseconds), the score of its due time, worker,
-- whether the id is a user's. One that is not ours is nobody's, and as if it were made now.
local function parts_of(claim)
  local token, started, score, own, worker = claim:match('^(%S+) (%d+) (%S+) (%S) (.*)$')
  if not tonumber(score) then return '', whole(now), seconds(now), '', false end
  return token, started, score, worker, own == '!'
end

-- Where a job is: its state, with its score, or with its claim, or with the Swift worker that has it. For what is left
-- of a job beyond its retention: nil, the state in which it ended, its score.
local function place(id)
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

-- Remember an id that a user gave, from `since`, when its job became absent.
local function remember(id, since)
  if since + window <= now then return end
  redis.call('ZADD', IDS, whole(since + window), id)
  local past = redis.call('ZRANGEBYSCORE', IDS, '-inf', whole(now), 'LIMIT', 0, 10)
  if #past > 0 then redis.call('ZREM', IDS, unpack(past)) end
end

-- Drop a job's keys.
local function forget(id, since)
  local own = fields(id, 'own')[1]
  redis.call('DEL', payload_of(id), meta_of(id))
  if own then remember(id, since) end
end

-- Drop what is left of a job beyond its retention.
local function purge(state, id, score)
  local policy = ENDED[state]
  redis.call('ZREM', policy.key, id)
  local since = now
  if policy.age then since = math.min(now, micro(score) + policy.age) end
  forget(id, since)
end

-- Drop up to `most` of the jobs that are beyond their retention: bounded work, as jobs end.
local function trim(state, most)
  local policy = ENDED[state]
  if not (policy.age or policy.count) then return end
  local last = math.min(first_kept(policy), most) - 1
  if last < 0 then return end
  local entries = redis.call('ZRANGE', policy.key, 0, last, 'WITHSCORES')
  for i = 1, #entries, 2 do purge(state, entries[i], entries[i + 1]) end
end

-- A job that was due at once has no time of storing of its own: that was when it was due.
local function keep_stored(id, score) redis.pcall('HSETNX', meta_of(id), 'stored', whole(micro(score))) end

-- Put a job, due at `score`, among the ended ones, or drop it. It has been taken from where it was before.
local function finish(id, state, score, keep, error)
  local policy = ENDED[state]
  if policy.count == 0 and not keep then return forget(id, now) end
  if error then mark(id, 'status', state, 'error', error) else mark(id, 'status', state) end
  keep_stored(id, score)
  redis.call('ZADD', keep and KEPT or policy.key, seconds(now), id)
end

-- Leave a hint for one worker that waits, where a job is due or has become the first.
local hinted = false
local function wake()
  if hinted then return end
  hinted = true
  if redis.call('LLEN', WAKE) == 0 then redis.call('LPUSH', WAKE, '1') end
end
local function wake_for(score)
  if micro(score) <= now or tonumber(redis.call('ZRANGE', PENDING, 0, 0, 'WITHSCORES')[2]) >= tonumber(score) then
    wake()
  end
end

-- Put a job back into the queue as it was claimed, due when it was due before.
local function release(id, score, recovered)
  if recovered then redis.pcall('HINCRBY', meta_of(id), 'recoveries', 1) end
  redis.call('ZADD', PENDING, score, id)
  wake_for(score)
end

-- A due time as callers give it: microseconds, `+` microseconds from now, or empty for now.
local function due_at(given)
  if given == '' then return now end
  if given:sub(1, 1) == '+' then return now + tonumber(given:sub(2)) end
  return tonumber(given)
end

-- Take a job from the place where it is; the score of its due time, where that is known.
local function take(id, state, where)
  if state == 'pending' or state == 'paused' then
    redis.call('ZREM', state == 'pending' and PENDING or PAUSED, id)
    return where
  end
  if state == 'processing' then
    if not where then return redis.call('LREM', PROCESSING, 1, id) and nil end
    local _, _, score, worker = parts_of(where)
    redis.call('HDEL', CLAIMED, id)
    redis.pcall('SREM', claims_of(worker), id) -- of the wrong type it is the worker's trouble alone
    return score
  end
  redis.call('ZREM', ENDED[state].key, id)
  redis.call('ZREM', KEPT, id)
end

-- Run a job anew, due now and at attempt 1, or remove it, from wherever it is; whether it could be done.
local function change(action, id, state, where)
  if action == 'remove' then
    take(id, state, where)
    forget(id, now)
    return true
  end
  if redis.call('TYPE', payload_of(id)).ok ~= 'string' then return false end -- without a request nothing can run
  local score = take(id, state, where)
  unmark(id, 'status', 'error', 'recoveries', 'workerID', 'processingStarted')
  mark(id, 'reset', '1')
  if score then keep_stored(id, score) end
  redis.call('ZADD', PENDING, seconds(now), id)
  wake()
  return true
end
local CHANGED = { PENDING, PAUSED, PROCESSING, CLAIMED, IDS, KEPT, WAKE, ENDED.completed.key, ENDED.failed.key,
  ENDED.cancelled.key }

-- Numbered operations: [FIRST] producer, [FIRST + 1] sequence, [FIRST + 2] digest of what is asked. The producer's key
-- holds `sequence expires digest answer` of its last one, for ten minutes.
-- `repeated` gives the recorded answer of a repeat, or an error; `record` keeps the answer of a step that was done.
local MEMORY = 600000000
local function record(answer)
  local value = ARGV[FIRST + 1] .. ' ' .. whole(now + MEMORY) .. ' ' .. ARGV[FIRST + 2] .. ' ' .. answer
  if injected then
    redis.call('SET', META .. '_producer.' .. ARGV[FIRST], value)
  else
    redis.call('SET', META .. '_producer.' .. ARGV[FIRST], value, 'PX', MEMORY / 1000)
  end
  return answer
end
-- The same for steps that must be possible on a full server, which refuses a script whose first write adds.
local function record_always(answer)
  redis.call('DEL', META .. '_producer.' .. ARGV[FIRST])
  return record(answer)
end
local function repeated()
  local last = redis.call('GET', META .. '_producer.' .. ARGV[FIRST])
  if not last then return nil end
  local number, expires, digest, answer = last:match('^(%d+) (%d+) (%S*) (.*)$')
  if tonumber(expires) <= now then return nil end
  local sequence = tonumber(ARGV[FIRST + 1])
  if sequence < tonumber(number) then return fault('REFUSED', 'the producer is at ' .. number .. ' already') end
  if sequence > tonumber(number) then return nil end
  if ARGV[FIRST + 2] ~= digest then return fault('REFUSED', 'the same number was used for something else') end
  return record_always(answer)
end

-- Whether a push of this id is a duplicate; if not, the state and the score of what is left of it, if anything is.
local function is_known(id)
  local until_then = redis.call('ZSCORE', IDS, id)
  if until_then and tonumber(until_then) > now then return true end
  local state, ended, score = place(id)
  if state then return true end
  if not ended then return false end
  local age = ENDED[ended].age
  local since = age and math.min(now, micro(score) + age) or now
  return fields(id, 'own')[1] and since + window > now, { ended, score }
end

-- A job to store, { id, request, due or nil, whether the id is a user's, key of the request }, from its head: the id, which is all for a job
-- of ours that is due at once; else `!` for a user's id or a blank, and the due time as given.
local function new_job(head, request)
  if #head == 36 then return { head, request, nil, false, payload_of(head) } end
  local id, due = head:sub(1, 36), head:sub(38)
  return { id, request, due ~= '' and seconds(due_at(due)) or nil, head:sub(37, 37) == '!', payload_of(id) }
end

-- Store jobs that are not known. A job that is due at once and has an id of ours gets no metadata before it is claimed:
-- it was stored when it was due, and where it is says its state.
-- `left` says, for each, in which state something is left of a job of the same id, if anything may be.
local function store(jobs, left)
  if #jobs == 0 then return end
  local payloads, queued = {}, {}
  local at_once = seconds(now)
  local earliest = jobs[1][3] or at_once
  for n, job in ipairs(jobs) do
    local score = job[3] or at_once
    payloads[2 * n - 1], payloads[2 * n] = job[5], job[2]
    queued[2 * n - 1], queued[2 * n] = score, job[1]
    if score ~= earliest and tonumber(score) < tonumber(earliest) then earliest = score end
  end
  batch('MSET', nil, payloads) -- the first write: a full server refuses it
  for _, rest in ipairs(left or {}) do
    redis.call('DEL', meta_of(rest[1]))
    if rest[2] then redis.call('ZREM', ENDED[rest[2]].key, rest[1]) end
  end
  for _, job in ipairs(jobs) do
    if job[3] then redis.call('HSET', meta_of(job[1]), 'stored', whole(now)) end
    if job[4] then redis.call('HSET', meta_of(job[1]), 'own', '1') end
  end
  batch('ZADD', PENDING, queued)
  wake_for(earliest)
end

-- Metadata: a plain value, or a lock, which is a value with an expiry. With an injected clock the expiry stands in LOCKS.
-- Gives an error or nil, and { plain = value } or { holder = value } or {}.
local function lock_or_value(name)
  local wrong = wrong_type(LOCKS) -- those who ask write it, after the value
  if wrong then return wrong end
  local key = META .. name
  local found = redis.call('TYPE', key).ok
  if found == 'none' then return nil, {} end
  if found ~= 'string' then return fault('TYPE', key .. ' holds a ' .. found .. ', not a value') end
  local value = redis.call('GET', key)
  if injected then
    local expires = redis.call('HGET', LOCKS, name)
    if not expires then return nil, { plain = value } end
    return nil, tonumber(expires) > now and { holder = value } or {}
  end
  return nil, redis.call('PTTL', key) >= 0 and { holder = value } or { plain = value }
end
