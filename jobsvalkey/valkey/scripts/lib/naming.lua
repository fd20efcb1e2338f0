-- Who holds unique names, and how jobs come by them.
-- uses: keys time fielded names batches

-- Whether a job was pushed with this name.
local function is_named(id, name) return redis.pcall('HGET', fields_of(id), 'unique') == name end

-- Who holds a name; nothing if it is free. A job whose fields are lost could never free it, so that it holds none. `entry`
-- is what is noted of the name, if the caller knows, `false` for nothing.
local function holder_of(name, entry)
  if entry == nil then entry = redis.call('HGET', NAMES, name) end
  local id, ends = (entry or ''):match('^(%S+) ?(%d*)$')
  if not id then return nil end
  if ends == '' then return is_named(id, name) and id or nil end
  return tonumber(ends) > now and id or nil
end

-- Give jobs their names, each until the end of the job, its `start`, or for a number of microseconds. `uniques` are by the
-- number of the job.
local function take_names(ids, uniques)
  local entries, timed, untimed = {}, {}, {}
  for n, unique in pairs(uniques) do
    local span, entry = tonumber(unique.until_then), ids[n]
    if span then
      local ends = whole(now + span)
      timed[#timed + 1], timed[#timed + 2], entry = ends, unique.name, entry .. ' ' .. ends
    else
      untimed[#untimed + 1] = unique.name
    end
    entries[#entries + 1], entries[#entries + 2] = unique.name, entry
  end
  batch('ZREM', TIMED, untimed)
  batch('ZADD', TIMED, timed)
  batch('HSET', NAMES, entries)
end

-- Whether a job that has ended may run anew, and the name that it takes again then: not one that it had for a time.
local function can_retake(id)
  if not has_names() then return true end
  local found = redis.pcall('HMGET', fields_of(id), 'unique', 'until')
  local name, until_then = unpack(found.err and {} or found, 1, 2)
  if not name or tonumber(until_then) then return true end
  return not holder_of(name), name
end
