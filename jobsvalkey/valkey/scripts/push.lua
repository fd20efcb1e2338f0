-- Store jobs that are not there: all of them, or, on an error, none.
-- [FIRST + 3...]: for each job its head, as `new_job` takes it, and its request.
-- Result: a `1` (stored) or `0` (duplicate) for each. Cost: O(log n) for each job.
local known = repeated()
if known then return known end
local wrong = wrong_type(PENDING, WAKE)
if wrong then return wrong end

local jobs, ids, keys, seen, twice = {}, {}, {}, {}, false
for i = FIRST + 3, #ARGV, 2 do
  local job = new_job(ARGV[i], ARGV[i + 1])
  local id = job[1]
  jobs[#jobs + 1] = job
  ids[#ids + 1] = id
  keys[#keys + 1] = job[5]
  twice = twice or seen[id]
  seen[id] = true
end

-- Whether none of the jobs is known, nor anything left of one: the rule, found out by a few commands for all of them.
local function all_fresh()
  local found = 0
  batch('EXISTS', nil, keys, function(count) found = found + count end)
  if twice or found > 0 or redis.call('EXISTS', PROCESSING) == 1 then return false end
  local function look(entries)
    for n = 1, #ids do
      if entries[n] then found = found + 1 end
    end
  end
  batch('ZMSCORE', PENDING, ids, look)
  if redis.call('EXISTS', CLAIMED) == 1 then batch('HMGET', CLAIMED, ids, look) end
  local others = { IDS, PAUSED, ENDED.completed.key, ENDED.failed.key, ENDED.cancelled.key, KEPT }
  if redis.call('EXISTS', unpack(others)) > 0 then
    for _, list in ipairs(others) do batch('ZMSCORE', list, ids, look) end
  end
  return found == 0
end

if all_fresh() then
  store(jobs)
  return record(('1'):rep(#jobs))
end

local answer, fresh, left = {}, {}, {}
seen = {}
for n, job in ipairs(jobs) do
  local id = job[1]
  local duplicate, rest = seen[id], nil
  if not duplicate then duplicate, rest = is_known(id) end
  if not duplicate then
    seen[id] = true
    fresh[#fresh + 1] = job
    left[#left + 1] = { id, rest and rest[1] }
  end
  answer[n] = duplicate and '0' or '1'
end
store(fresh, left)
return record(table.concat(answer))
