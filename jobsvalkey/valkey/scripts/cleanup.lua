-- Rerun or remove jobs of one state, the oldest first.
-- uses: operations changing
-- args: wanted action least_age only_orphans except_for as_of max_jobs position
-- `wanted` is the state, `action` is `rerun` or `remove`, `least_age` is in microseconds, or empty. `only_orphans` is empty,
-- or, for jobs of workers with an expired lock only, for how many microseconds a Swift worker may be without one.
-- `except_for` is the id of a job to pass over, and `as_of` the time (microseconds) after which jobs are too young for this
-- cleanup, or empty. `position` is how many entries earlier calls have passed over,
-- in the list of the state, in that of kept or of fielded jobs, and in that of jobs with a line: `n:n:n`.
-- result: how many jobs it was; then, if there may be more entries after those that were looked at, `n:n:n` for the next
-- call. That is not recorded if it was none.
-- cost: O(log n) for each entry looked at, of which there are at most LOOKS more than jobs; O(running jobs) for those.
local LOOKS = 100
local answer = answered()
if answer then return answer end
local wrong = changes_wrong_type() or has_wrong_type('zset', WORKERS)
if wrong then return wrong end

local age, most = tonumber(least_age), tonumber(max_jobs)
local latest = math.min(tonumber(as_of) or math.huge, age and now - age or math.huge)
-- What has no known beginning is never old enough, and never too late.
local unknown = age and now or 0
local span = most + LOOKS
local passed = {}
for n in position:gmatch('%d+') do passed[#passed + 1] = tonumber(n) end

-- The entries to look at, in order of age: each { id, since when it counts, whether that is certain, number of its list }.
local entries = {}
local function collect(list, key, lowest, is_certain)
  local from = lowest + passed[list]
  local found = redis.call('ZRANGE', key, from, from + span, 'WITHSCORES')
  for i = 1, #found, 2 do entries[#entries + 1] = { found[i], micro(found[i + 1]), is_certain, list } end
end
local function sort()
  table.sort(entries, function(a, b) return a[2] < b[2] or (a[2] == b[2] and a[1] < b[1]) end)
end
if wanted == 'processing' then
  local claims = redis.call('HGETALL', CLAIMED)
  for i = 1, #claims, 2 do
    local token, started = parse_claim(claims[i + 1])
    entries[#entries + 1] = { claims[i], token == '' and unknown or tonumber(started), true, 1 }
  end
  for _, id in ipairs(redis.call('LRANGE', PROCESSING, 0, -1)) do
    local started = number(fields(id, 'processingStarted')[1])
    entries[#entries + 1] = { id, started and micro(started) or unknown, true, 1 }
  end
  sort()
elseif ENDED[wanted] then
  collect(1, ENDED[wanted].key, first_kept(ENDED[wanted]), true)
  if wanted == 'failed' or has_fielded() then
    collect(2, ENDED[wanted].kept, 0, true)
    sort()
  end
elseif wanted == 'waiting' then
  if has_flows() then collect(1, WAITING, 0, false) end
else
  collect(1, wanted == 'paused' and PAUSED or PENDING, 0, false)
  if has_fielded() then
    collect(2, wanted == 'paused' and FIELDED_PAUSED or FIELDED, 0, false)
    if has_lines() and wanted == 'pending' then collect(3, LANED, 0, false) end
    sort()
  end
end

-- Whether the worker that has a job is alive. Asked between writes, so of keys that cannot fail: a worker's own record may
-- by now be somebody else's.
local function is_alive(id, claim)
  if not claim then return not is_orphan(id, tonumber(only_orphans)) end
  local _, _, _, worker = parse_claim(claim)
  return tonumber(redis.call('ZSCORE', WORKERS, worker) or 0) > now
end

local done, looked, is_too_young = 0, wanted == 'processing' and passed[1] or 0, false
local last = math.min(#entries, looked + span)
-- What waits may be let go by the removal of those before it, and goes all the same.
local waits = {}
if wanted == 'waiting' then
  for n = 1, last do waits[entries[n][1]] = find_job(entries[n][1]) == wanted end
end
while done < most and looked < last do
  looked = looked + 1
  local id, since, is_certain, list = unpack(entries[looked])
  passed[list] = passed[list] + 1
  if latest < math.huge and not is_certain then since = number(fields(id, 'stored')[1]) or since end
  if id == except_for then
    -- A cleanup that is a job does not touch itself.
  elseif since > latest then
    is_too_young = is_certain -- and those that follow are younger still
    if is_certain then break end
  else
    local state, where = find_job(id)
    if (state == wanted or waits[id] and state == 'pending') and not (only_orphans ~= '' and state == 'processing' and is_alive(id, where)) then
      if rerun_or_remove(action, id, state, where) then
        done = done + 1
        passed[list] = passed[list] - 1 -- it has left the list
      end
    end
  end
end
if looked == #entries or is_too_young then return record_always(tostring(done)) end
local found = done .. ' ' .. table.concat(passed, ':')
return done > 0 and record_always(found) or found
