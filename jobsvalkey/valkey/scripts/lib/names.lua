-- Unique names. The fields of a job say which it was pushed with: `unique`, and `until`, `start` or for how many
-- microseconds, if it is not until the end. A name that is held for a time outlives its job.
-- uses: keys layout types
local NAMES = META .. '_names' -- hash: name, `id` of its holder, or `id until` (microseconds) if it is held for a time
local TIMED = META .. '_timed_names' -- zset: names that are held for a time, until when (microseconds)
local function has_names() return features:find('u', 1, true) ~= nil end
local function names_wrong_type() return has_wrong_type('hash', NAMES) or has_wrong_type('zset', TIMED) end
