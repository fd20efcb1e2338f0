-- How many jobs are in each state.
-- uses: layout places
-- result: the numbers of pending, paused, waiting, processing, completed, failed, cancelled jobs.
-- cost: O(log n).
local refusal = refused(redis.call('GET', LAYOUT))
if refusal then return refusal end
local function count_ended(state)
  local policy = ENDED[state]
  return redis.call('ZCARD', policy.key) - first_kept(policy) + count_kept(state)
end
local pending, paused = redis.call('ZCARD', PENDING), redis.call('ZCARD', PAUSED)
if has_fielded() then
  pending, paused = pending + redis.call('ZCARD', FIELDED), paused + redis.call('ZCARD', FIELDED_PAUSED)
  if has_lines() then pending = pending + redis.call('ZCARD', LANED) end
end
return {
  pending, paused, has_flows() and redis.call('ZCARD', WAITING) or 0,
  redis.call('HLEN', CLAIMED) + redis.call('LLEN', PROCESSING),
  count_ended('completed'), count_ended('failed'), count_ended('cancelled'),
}
