-- How many jobs are in each state.
-- Result: the numbers of pending, paused, processing, completed, failed, cancelled jobs. Cost: O(log n).
local processing = redis.call('HLEN', CLAIMED) + redis.call('LLEN', PROCESSING)
local function ended(state)
  local policy = ENDED[state]
  return redis.call('ZCARD', policy.key) - first_kept(policy)
end
return {
  redis.call('ZCARD', PENDING), redis.call('ZCARD', PAUSED), processing,
  ended('completed'), ended('failed') + redis.call('ZCARD', KEPT), ended('cancelled'),
}
