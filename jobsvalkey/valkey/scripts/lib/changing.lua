-- Jobs that are run anew or removed, from wherever they are.
-- uses: types places pending ending

local function changes_wrong_type()
  return has_wrong_type('zset', PENDING, PAUSED, IDS, KEPT, ENDED.completed.key, ENDED.failed.key, ENDED.cancelled.key)
    or has_wrong_type('list', PROCESSING) or has_wrong_type('hash', CLAIMED)
end

-- Run a job anew, due now and at attempt 1, or remove it; whether it could be done.
local function rerun_or_remove(action, id, state, where)
  if action == 'remove' then
    take(id, state, where)
    vanish({ id }, now)
    return true
  end
  if redis.call('TYPE', payload_of(id)).ok ~= 'string' then return false end -- without a request nothing can run
  local score = take(id, state, where)
  unmark(id, 'status', 'error', 'ended', 'recoveries', 'workerID', 'processingStarted')
  mark(id, 'reset', '1')
  if score then keep_stored(id, score) end
  enter({ seconds(now), id })
  return true
end
