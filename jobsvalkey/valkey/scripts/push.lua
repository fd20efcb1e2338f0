-- Store jobs that are not there, or replace the holders of their names: all of them, or, on an error, none.
-- uses: operations pending
-- each job: head request
-- result: for each job `1`, it was stored, `0`, its id is known, `n`, its name is held, or `r`, it has replaced the holder;
-- then, with a space before each, the ids of the holders. Or `!` and what is wrong with what is to hold a job, its id, and
-- that of the other one: nothing was stored.
-- cost: O(log n) for each job.
local answer = answered()
if answer then return answer end

-- The most frequent push goes without all that others need: of one job of ours that is due at once, to a queue without
-- fielded jobs, if nothing is known or left of its id.
local only, id, request = each_job()
if only and #id == 36 and not each_job(nil, only) and features == '' then
  local payload, beside, processing = Q .. '/' .. id, Q .. '/' .. id .. '.metadata', Q .. '.processing'
  local lists = { Q .. '.paused', Q .. '.completed', Q .. '.failed', Q .. '.cancelled', META .. '_ids', META .. '_kept' }
  local there = redis.call('EXISTS', WAKE, payload, beside, processing, unpack(lists))
  if there > 0 then count_hints() else hints = 0 end
  local is_fresh = there == math.min(hints, 1)
  if not is_fresh and redis.call('EXISTS', payload, beside, processing) == 0 then
    is_fresh = true
    for _, list in ipairs(lists) do is_fresh = is_fresh and not redis.pcall('ZSCORE', list, id) end
  end
  if is_fresh and redis.pcall('HEXISTS', META .. '_claimed', id) == 0
    -- It adds nothing if the entry is there, and a full server refuses it, as it refuses each first write that adds.
    and redis.pcall('ZADD', PENDING, 'NX', seconds(now), id) == 1 then
    local done = redis.pcall('SET', payload, request)
    if done.err then -- the right was taken away: no entry without a request
      redis.call('ZREM', PENDING, id)
      return done
    end
    wake()
    return record('1')
  end
end

-- uses: jobs types
count_hints()
local jobs = jobs_of(each_job)
local wrong = jobs_wrong_type(jobs)
if wrong then return wrong end
local is_found = false
local function look(entries, length)
  for n = 1, length do is_found = is_found or entries[n] end
end
if not pcall(batch, 'ZMSCORE', PENDING, jobs.ids, look) then
  return has_wrong_type('zset', PENDING) or redis.call('ZMSCORE', PENDING, '')
end

-- Whether none of the jobs is known, nor anything left of one: the rule, found out by a few commands for all of them.
local function are_fresh()
  local ids, seen = jobs.ids, {}
  for _, id in ipairs(ids) do
    if seen[id] then return false end
    seen[id] = true
  end
  if is_found or count_existing(jobs.keys, Q .. '.processing') > 0 then return false end
  local claimed = META .. '_claimed'
  local lists = { META .. '_ids', Q .. '.paused', Q .. '.completed', Q .. '.failed', Q .. '.cancelled', META .. '_kept' }
  if has_fielded() then
    for _, name in ipairs({ '_pending', '_paused', '_waiting', '_kept_completed', '_kept_cancelled', '_laned' }) do
      lists[#lists + 1] = META .. name
    end
  end
  if redis.call('EXISTS', claimed, unpack(lists)) == 0 then return true end
  batch('HMGET', claimed, ids, look)
  if is_found or redis.call('EXISTS', unpack(lists)) == 0 then return not is_found end
  for _, list in ipairs(lists) do batch('ZMSCORE', list, ids, look) end
  return not is_found
end
local is_fresh = are_fresh()
if is_fresh and not next(jobs.uniques) and not next(jobs.held) then
  store(jobs)
  return record(('1'):rep(#jobs.ids))
end

-- uses: planning
local letters, holders, todo, make_room, hold_all = plan(jobs, each_job, is_fresh)
if not todo then return record_always(letters) end
store(todo, make_room)
hold_all()
return record(letters .. (holders[1] and ' ' .. table.concat(holders, ' ') or ''))
