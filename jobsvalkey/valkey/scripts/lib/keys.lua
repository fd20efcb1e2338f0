-- The keys of a queue: all are derived from the queue key, KEYS[1], and lie in its slot.
local Q = KEYS[1]
local META = Q .. '.metadata.'

local function payload_of(id) return Q .. '/' .. id end
local function envelope_of(id) return Q .. '/' .. id .. '.metadata' end
local function fault(code, text) return redis.error_reply('JOBS' .. code .. ' ' .. text) end
