-- Unique names. The fields of a job say which it was pushed with: `unique`, and `until`, `start` or for how many
-- microseconds, if it is not until the end. A name that is held for a time outlives its job.
-- uses: keys layout types
local NAMES = META .. '_names' -- hash: name, `id` of its holder, or `id until` (microseconds) if it is held for a time
local TIMED = META .. '_timed_names' -- zset: names that are held for a time, until when (microseconds)
local function has_names() return features:find('u', 1, true) ~= nil end
local function names_wrong_type() return has_wrong_type('hash', NAMES) or has_wrong_type('zset', TIMED) end

-- Take its name from a job that is claimed, whose fields are `held`, if it has it until then.
local function free_at_start(id, held)
  local found = {}
  for n = 1, #held, 2 do found[held[n]] = held[n + 1] end
  if found['until'] == 'start' and redis.call('HGET', NAMES, found.unique) == id then
    redis.call('HDEL', NAMES, found.unique)
  end
end
