-- Jobs that Swift workers have: ids on a list, and a lock for each worker. They pop a job first, sign for it in a second
-- step, and may take their lock only after that; and a claim that Swift has put back keeps the dead worker's name until the
-- next one signs. So a job is an orphan if its claim is there unchanged, and without a lock, at a second look.
-- uses: keys time envelopes fielded
local PROCESSING = Q .. '.processing'
local UNOWNED = META .. '_unowned' -- zset: claims without a lock, `id worker started`, since when they were seen so
local TAKEN = META .. '_taken' -- zset: ids that were taken from Swift workers, when
local TAKEN_MEMORY = 86400000000 -- microseconds for which that is noted

-- The claim on a job, if its worker has no lock.
local function unowned_claim(id)
  local worker, started = unpack(fields(id, 'workerID', 'processingStarted'), 1, 2)
  if worker and redis.call('EXISTS', META .. 'worker.' .. worker) == 1 then return nil end
  return id .. ' ' .. (worker or '') .. ' ' .. (started or '')
end

-- Whether a job has been without a lock for `grace` microseconds. The first look only notes it; a look may come between
-- writes, so it cannot fail.
local function is_orphan(id, grace)
  local claim = unowned_claim(id)
  if not claim then return false end
  local first = tonumber(redis.pcall('ZSCORE', UNOWNED, claim))
  if not first then
    redis.pcall('ZREM', UNOWNED, claim) -- a removal first, for a full server
    redis.pcall('ZADD', UNOWNED, whole(now), claim)
  end
  return first and now - first >= grace
end

-- Take a job from its worker. That one may live after all, and end the job, which it does by its id. Nothing fails if that
-- cannot be noted.
local function take_from_swift(id)
  redis.pcall('ZREM', UNOWNED, unowned_claim(id) or '')
  redis.call('LREM', PROCESSING, 1, id)
  redis.pcall('ZREMRANGEBYSCORE', TAKEN, '-inf', whole(now - TAKEN_MEMORY))
  redis.pcall('ZADD', TAKEN, whole(now), id)
end

-- Whether a worker has ended a job that was taken from it: its request is gone. Then nothing is left of the job.
local function has_ended_in_swift(id)
  if redis.call('EXISTS', payload_of(id)) == 1 or redis.pcall('ZREM', TAKEN, id) ~= 1 then return false end
  redis.call('DEL', envelope_of(id))
  if has_fielded() then redis.call('DEL', fields_of(id)) end
  return true
end
