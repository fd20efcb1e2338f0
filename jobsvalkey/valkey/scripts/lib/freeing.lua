-- Unique names that jobs hold no more.
-- uses: time batches fielded names

-- Take its name from a job that ends, if it holds it; but not one that it has for a time.
local function free_name(id)
  if not has_names() then return end
  local name = redis.pcall('HGET', fields_of(id), 'unique')
  if type(name) == 'string' and redis.call('HGET', NAMES, name) == id then redis.call('HDEL', NAMES, name) end
end

-- Give up to `most` names free whose time is over: bounded work, as names are taken and jobs end.
local function trim_names(most)
  if not has_names() then return end
  local past = redis.call('ZRANGEBYSCORE', TIMED, '-inf', whole(now), 'LIMIT', 0, most)
  batch('ZREM', TIMED, past)
  batch('HDEL', NAMES, past)
end
