-- Rerun or remove jobs of one state, the oldest first. [FIRST + 3] state, [+4] `rerun` or `remove`, [+5] least age in
-- microseconds, or empty, [+6] `1` for jobs of workers with an expired lock only, [+7] how many at most, [+8] how many
-- entries an earlier call has looked at in vain.
-- Result: how many jobs it was; `0 n`, not recorded, where there are more entries after n that were looked at in vain.
-- Cost: O(log n) for each entry looked at, of which there are at most LOOKS more than jobs; O(running jobs) for those.
local LOOKS = 2000
local known = repeated()
if known then return known end
local wrong = wrong_type(unpack(CHANGED))
if wrong then return wrong end

local wanted, action, age = ARGV[FIRST + 3], ARGV[FIRST + 4], tonumber(ARGV[FIRST + 5])
local only_orphans = ARGV[FIRST + 6] == '1'
local most, skipped = tonumber(ARGV[FIRST + 7]), tonumber(ARGV[FIRST + 8])

-- The entries to look at, each { id, since when it counts or nil where that has to be read }, in order of age.
local entries = {}
local function collect(key, lowest, dated)
  local found = redis.call('ZRANGE', key, lowest, lowest + skipped + most + LOOKS, 'WITHSCORES')
  for i = 1, #found, 2 do entries[#entries + 1] = { found[i], micro(found[i + 1]), dated } end
end
if wanted == 'processing' then
  local claims = redis.call('HGETALL', CLAIMED)
  for i = 1, #claims, 2 do
    local _, started = parts_of(claims[i + 1])
    entries[#entries + 1] = { claims[i], tonumber(started), true }
  end
  for _, id in ipairs(redis.call('LRANGE', PROCESSING, 0, -1)) do
    local started = fields(id, 'processingStarted')[1]
    entries[#entries + 1] = { id, started and micro(started) or now, true }
  end
elseif ENDED[wanted] then
  collect(ENDED[wanted].key, first_kept(ENDED[wanted]), true)
  if wanted == 'failed' then collect(KEPT, 0, true) end
else
  collect(wanted == 'paused' and PAUSED or PENDING, 0, false)
end
table.sort(entries, function(a, b) return a[2] < b[2] or (a[2] == b[2] and a[1] < b[1]) end)

-- Whether the worker that has a job is alive: by its claim, or, for Swift's, by the worker's own lock.
local function is_alive(claim, swift_worker)
  if not claim then return redis.call('EXISTS', META .. 'worker.' .. swift_worker) == 1 end
  local _, _, _, worker = parts_of(claim)
  return tonumber(redis.call('HGET', worker_of(worker), 'expires') or 0) > now
end

local done, looked = 0, skipped
while done < most and looked < #entries and looked - skipped < most + LOOKS do
  looked = looked + 1
  local id, since, dated = unpack(entries[looked])
  if age and not dated then since = tonumber(fields(id, 'stored')[1]) or since end
  if age and now - since < age then
    if dated then looked = #entries end -- those that follow are younger still
  else
    local state, where, swift_worker = place(id)
    if state == wanted and not (only_orphans and state == 'processing' and is_alive(where, swift_worker)) then
      if change(action, id, state, where) then done = done + 1 end
    end
  end
end
if done == 0 and looked < #entries then return '0 ' .. looked end
return record_always(tostring(done))
