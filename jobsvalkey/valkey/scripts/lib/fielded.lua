-- Jobs with fields that Swift does not know. They wait where its workers do not look, and their fields lie where its
-- retries and ends do not delete them. A queue that never had one has no letter of theirs, and is not asked for them.
-- uses: keys layout
local FIELDED = META .. '_pending'
local FIELDED_PAUSED = META .. '_paused'
local FIELDED_LETTERS = '[r]'

local function fields_of(id) return META .. '_job.' .. id end -- hash: keep_for (microseconds)
local STATES = { 'completed', 'failed', 'cancelled' }
local function kept_of(state) return META .. (state == 'failed' and '_kept' or '_kept_' .. state) end -- zset: end
local function lasts_of(state) return META .. '_lasts_' .. state end -- zset: until when (microseconds)
local function has_fielded() return features ~= '' and features:find(FIELDED_LETTERS) ~= nil end
local function is_fielded(id) return has_fielded() and redis.call('EXISTS', fields_of(id)) == 1 end

-- The fields of a job: name, value, name, value, …; none if the key holds something else.
local function fields_held(id)
  local found = redis.pcall('HGETALL', fields_of(id))
  return found.err and {} or found
end

-- How long a fielded job is kept after its end; nothing if that was not asked for.
local function keep_for_of(id)
  local found = redis.pcall('HGET', fields_of(id), 'keep_for')
  return type(found) == 'string' and tonumber(found) and found
end
