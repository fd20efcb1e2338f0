-- How much there is to do.
-- uses: layout places
-- result: the numbers of due, delayed, waiting and processing jobs, for how many microseconds the first one has been due (`-1`: none
-- is), the number of workers whose lock holds, and whether the queue is paused (1 or 0).
-- cost: O(log n).
local refusal = refused(redis.call('GET', LAYOUT))
if refusal then return refusal end
local due, all = 0, 0
local function count(list)
  all = all + redis.call('ZCARD', list)
  due = due + redis.call('ZCOUNT', list, '-inf', seconds(now))
end
count(PENDING)
if has_fielded() then count(FIELDED) end
if has_lines() then count(LANED) end
return {
  due, all - due,
  has_flows() and redis.call('ZCARD', WAITING) or 0,
  redis.call('HLEN', CLAIMED) + redis.call('LLEN', PROCESSING),
  due > 0 and whole(now - micro(first_score())) or '-1',
  redis.call('ZCOUNT', WORKERS, '(' .. whole(now), '+inf'),
  is_queue_paused() and 1 or 0,
}
