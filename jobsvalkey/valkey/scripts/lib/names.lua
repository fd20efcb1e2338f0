-- Unique names. The fields of a job say which it was pushed with: `unique`, and `until`, `start` or for how many
-- microseconds, if it is not until the end. A name that is held for a time outlives its job.
-- uses: keys time batches fielded types
local NAMES = META .. '_names' -- hash: name, `id` of its holder, or `id until` (microseconds) if it is held for a time
local TIMED = META .. '_timed_names' -- zset: names that are held for a time, until when (microseconds)
local function has_names() return features:find('u', 1, true) ~= nil end
local function names_wrong_type() return has_wrong_type('hash', NAMES) or has_wrong_type('zset', TIMED) end

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

-- Take its name from a job that ends, if it holds it; but not one that it has for a time.
local function free_name(id)
  if not has_names() then return end
  local name = redis.pcall('HGET', fields_of(id), 'unique')
  if type(name) == 'string' and redis.call('HGET', NAMES, name) == id then redis.call('HDEL', NAMES, name) end
end

-- The same for a job that is claimed, whose fields are `held`, if it has its name until then.
local function free_at_start(id, held)
  if not has_names() then return end
  local found = {}
  for n = 1, #held, 2 do found[held[n]] = held[n + 1] end
  if found['until'] == 'start' and redis.call('HGET', NAMES, found.unique) == id then
    redis.call('HDEL', NAMES, found.unique)
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

-- Give up to `most` names free whose time is over: bounded work, as names are taken and jobs end.
local function trim_names(most)
  if not has_names() then return end
  local past = redis.call('ZRANGEBYSCORE', TIMED, '-inf', whole(now), 'LIMIT', 0, most)
  batch('ZREM', TIMED, past)
  batch('HDEL', NAMES, past)
end
