-- How many jobs are in each state.
-- uses: layout places
-- result: the numbers of pending, paused, processing, completed, failed, cancelled jobs.
-- cost: O(log n).
local refusal = refused(redis.call('GET', LAYOUT))
if refusal then return refusal end
local function count_ended(state)
  local policy = ENDED[state]
  return redis.call('ZCARD', policy.key) - first_kept(policy)
end
return {
  redis.call('ZCARD', PENDING), redis.call('ZCARD', PAUSED),
  redis.call('HLEN', CLAIMED) + redis.call('LLEN', PROCESSING),
  count_ended('completed'), count_ended('failed') + redis.call('ZCARD', KEPT), count_ended('cancelled'),
}
