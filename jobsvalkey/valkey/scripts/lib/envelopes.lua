-- What is kept beside a job's request, in a hash: stored, recoveries, reset, remember, runs, error, result, and ended: the
-- score of the end that recorded the error or the result, `-` if it was none; and what Swift keeps: status, workerID, processingStarted. The place of
-- a job is its state: if the key holds something else, the fields are lost.
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

-- What is told of a job in a state, with its score: stored, recoveries, reset, error, remember. What Python has noted of
-- its runs is void once Swift has run it: a worker has signed for it since, or its end is not the one that was noted.
-- Deaths count on, but for a retry by Swift, which leaves no worker. Last, the fields that the next claim removes, and
-- the result.
local NOTED = {
  'stored', 'recoveries', 'reset', 'error', 'remember', 'ended', 'status', 'workerID', 'processingStarted', 'result',
}
local function envelope(id, state, score)
  local stored, recoveries, reset, error, remember, ended, status, worker, started, result =
    unpack(fields(id, unpack(NOTED)), 1, 10)
  local is_of_this_end = ended and number(ended) == number(score)
  local is_anothers
  if state == 'failed' then
    is_anothers = ended and not is_of_this_end
  else
    is_anothers = ended and ended ~= '-' and not (state == 'completed' and is_of_this_end)
  end
  local void = (status or worker or started) and { 'status', 'workerID', 'processingStarted' } or {}
  if started or is_anothers then
    error, reset = false, false
    for _, field in ipairs({ 'error', 'ended', 'reset' }) do void[#void + 1] = field end
    if not worker then
      recoveries = false
      void[#void + 1] = 'recoveries'
    end
  end
  if result then void[#void + 1] = 'result' end
  return stored, recoveries, reset, error, remember, void, state == 'completed' and is_of_this_end and result
end
