-- Open a worker, or extend its lock.
-- uses: layout types claims
-- args: worker hold open leaving listener
-- `hold` is in microseconds. `open` is `1` and a description of it to open it, known or not, `a` and that to let the queue
-- count activity from now on as well, else empty. `leaving` is `1` if it shuts down, for good. `listener` names the driver that hears its news.
-- result: the tokens of its claims, and of those whose end is asked for.
-- cost: O(claims of the worker).
local refusal = refused(redis.call('GET', LAYOUT))
if refusal then return refusal end
local wrong = has_wrong_type('zset', WORKERS)
if wrong then return wrong end
local expires = tonumber(redis.call('HGET', worker_of(worker), 'expires'))
if open == '' and (not expires or expires + WORKER_MEMORY <= now) then return fault('CLOSED', worker) end
local tokens, aborts = {}, {}
for n, claim in ipairs(select(2, claims_held(worker))) do
  local token, _, _, _, _, is_aborted = parse_claim(claim)
  tokens[n] = token
  if is_aborted then aborts[#aborts + 1] = token end
end

local ends = whole(now + tonumber(hold))
redis.call('ZREM', WORKERS, worker) -- a removal first: a full server refuses a script whose first write adds
redis.call('ZADD', WORKERS, ends, worker)
redis.call('HSET', worker_of(worker), 'expires', ends, 'listener', listener)
if #open > 1 then
  redis.call('HSET', worker_of(worker), 'about', open:sub(2))
elseif open ~= '' then
  redis.call('HDEL', worker_of(worker), 'about')
end
if open:sub(1, 1) == 'a' then begin_to_use('a') end
if leaving == '1' then redis.call('HSET', worker_of(worker), 'leaving', '1') end
if not is_injected then
  redis.call('PEXPIRE', worker_of(worker), math.ceil((tonumber(hold) + WORKER_MEMORY) / 1000))
end
return { tokens, aborts }
