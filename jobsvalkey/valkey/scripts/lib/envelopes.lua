-- What is kept beside a job's request, in a hash: stored, recoveries, reset, error, remember; and what Swift keeps: status,
-- workerID, processingStarted. The place of a job is its state: if the key holds something else, the fields are lost.
-- uses: keys time

-- Fields of a job; none if the key holds something else.
local function fields(id, ...)
  local found = redis.pcall('HMGET', envelope_of(id), ...)
  if found.err then return {} end
  return found
end

local function mark(id, ...) redis.pcall('HSET', envelope_of(id), ...) end
local function unmark(id, ...) redis.pcall('HDEL', envelope_of(id), ...) end

-- A job that was due at once has no time of storing of its own: that was when it was due.
local function keep_stored(id, score) redis.pcall('HSETNX', envelope_of(id), 'stored', whole(micro(score))) end
