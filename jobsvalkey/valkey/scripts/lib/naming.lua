-- Who holds unique names, and how jobs come by them.
-- uses: keys time fielded names

-- Whether a job was pushed with this name.
local function is_named(id, name) return redis.pcall('HGET', fields_of(id), 'unique') == name end

-- Who holds a name; nothing if it is free. A job whose fields are lost could never free it, so that it holds none.
local function holder_of(name)
  local id, ends = (redis.call('HGET', NAMES, name) or ''):match('^(%S+) ?(%d*)$')
  if not id then return nil end
  if ends == '' then return is_named(id, name) and id or nil end
  return tonumber(ends) > now and id or nil
end

-- Give a job its name, until its end, its `start`, or for a number of microseconds.
local function take_name(id, name, until_then)
  local span = tonumber(until_then)
  if span then
    local ends = whole(now + span)
    redis.call('ZADD', TIMED, ends, name)
    redis.call('HSET', NAMES, name, id .. ' ' .. ends)
  else
    redis.call('ZREM', TIMED, name)
    redis.call('HSET', NAMES, name, id)
  end
end

-- Whether a job that has ended may run anew, and the name that it takes again then: not one that it had for a time.
local function can_retake(id)
  if not has_names() then return true end
  local found = redis.pcall('HMGET', fields_of(id), 'unique', 'until')
  local name, until_then = unpack(found.err and {} or found, 1, 2)
  if not name or tonumber(until_then) then return true end
  return not holder_of(name), name
end
