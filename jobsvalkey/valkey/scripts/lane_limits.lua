-- The limits of lanes.
-- uses: layout slots
-- result: pattern, limit, pattern, limit, ….
-- cost: O(limits).
local refusal = refused(redis.call('GET', LAYOUT))
if refusal then return refusal end
return has_limits() and redis.call('HGETALL', LIMITED) or {}
