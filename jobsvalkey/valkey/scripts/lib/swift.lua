-- Jobs that Swift workers have: ids on a list, and a lock for each worker.
-- uses: keys time
local PROCESSING = Q .. '.processing'
local TAKEN = META .. '_taken' -- zset: ids that were taken from Swift workers, when
local TAKEN_MEMORY = 86400000000 -- microseconds for which that is noted

-- Take a job from its Swift worker. That one may live after all, and end the job, which it does by its id. Nothing fails if
-- that cannot be noted.
local function take_from_swift(id)
  redis.call('LREM', PROCESSING, 1, id)
  redis.pcall('ZREMRANGEBYSCORE', TAKEN, '-inf', whole(now - TAKEN_MEMORY))
  redis.pcall('ZADD', TAKEN, whole(now), id)
end

-- Whether a Swift worker has ended a job that was taken from it: its request is gone. Then nothing is left of the job.
local function has_ended_in_swift(id)
  if redis.call('EXISTS', payload_of(id)) == 1 or redis.pcall('ZREM', TAKEN, id) ~= 1 then return false end
  redis.call('DEL', envelope_of(id))
  return true
end
