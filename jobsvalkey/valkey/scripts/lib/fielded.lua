-- Jobs with fields that Swift does not know. They wait where its workers do not look, and their fields lie where its
-- retries and ends do not delete them. A queue that never had one has no letter of theirs, and is not asked for them.
-- uses: keys layout
local FIELDED = META .. '_pending'
local FIELDED_PAUSED = META .. '_paused'
local WAITING = META .. '_waiting' -- zset: jobs that others hold, by due time
local LETTERS = { -- of the feature that a field of a push is for
  keep_for = 'r', expires = 'e', unique = 'u', ['until'] = 'u', otherwise = 'u', priority = 'l', lane = 'l',
  after = 'f', if_failed = 'f', batch = 'f', parent = 'f',
}
local REPORTS = 's'
local FIELDED_LETTERS = '[rsuelf]'
local ENDS_AT = META .. '_ends_at' -- zset: jobs that expire or are doomed, and that nobody has, by when (microseconds)

-- hash: keep_for and expires (microseconds), unique, until, otherwise, priority, lane, progress, state
local function fields_of(id) return META .. '_job.' .. id end
local STATES = { 'completed', 'failed', 'cancelled' }
local function kept_of(state) return META .. (state == 'failed' and '_kept' or '_kept_' .. state) end -- zset: end
local function lasts_of(state) return META .. '_lasts_' .. state end -- zset: until when (microseconds)
local function has_fielded() return features ~= '' and features:find(FIELDED_LETTERS) ~= nil end
local function has_kept() return features:find('r', 1, true) ~= nil end
local function has_expiry() return features ~= '' and features:find('[ef]') ~= nil end
local function has_flows() return features ~= '' and features:find('f', 1, true) ~= nil end
local function has_lines() return features ~= '' and features:find('l', 1, true) ~= nil end
local function has_limits() return features ~= '' and features:find('c', 1, true) ~= nil end
local function is_fielded(id) return has_fielded() and redis.call('EXISTS', fields_of(id)) == 1 end

-- The fields of a job: name, value, name, value, …; none if the key holds something else.
local function fields_held(id)
  local found = redis.pcall('HGETALL', fields_of(id))
  return found.err and {} or found
end

-- How large the state is among those, with the results of parents.
local function state_size(held)
  local size = 0
  for n = 1, #held, 2 do
    if held[n] == 'state' or held[n]:sub(1, 2) == 'r.' then size = size + #held[n + 1] end
  end
  return size
end

-- The same without the state, which may be large, and is for the next claim alone.
local function fields_shown(id)
  if not features:find(REPORTS, 1, true) then return fields_held(id) end
  local names, shown = redis.pcall('HKEYS', fields_of(id)), {}
  for _, name in ipairs(names.err and {} or names) do
    if name ~= 'state' then shown[#shown + 1], shown[#shown + 2] = name, redis.call('HGET', fields_of(id), name) end
  end
  return shown
end

-- Drop what was reported of a job, since it ends or begins anew. One that has no other fields is plain again.
local function forget_reports(id)
  if features:find(REPORTS, 1, true) then redis.pcall('HDEL', fields_of(id), 'progress', 'state') end
end

-- One field of a job, a number; nothing if it has not got it.
local function field_of(id, name)
  local found = redis.pcall('HGET', fields_of(id), name)
  return type(found) == 'string' and tonumber(found) and found
end

-- How long a fielded job is kept after its end; nothing if that was not asked for.
local function keep_for_of(id) return field_of(id, 'keep_for') end
