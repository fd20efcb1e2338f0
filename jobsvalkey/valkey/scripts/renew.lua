-- Open a worker, or extend its lock.
-- uses: layout types claims
-- args: worker hold open leaving
-- `hold` is in microseconds, `open` is `1` to open it if it is not known, `leaving` is `1` if it shuts down, for good.
-- result: the tokens of its claims.
-- cost: O(claims of the worker).
local refusal = refused(redis.call('GET', LAYOUT))
if refusal then return refusal end
local wrong = has_wrong_type('zset', WORKERS)
if wrong then return wrong end
local expires = tonumber(redis.call('HGET', worker_of(worker), 'expires'))
if open ~= '1' and (not expires or expires + WORKER_MEMORY <= now) then return fault('CLOSED', worker) end
local tokens = {}
for n, claim in ipairs(select(2, claims_held(worker))) do tokens[n] = parse_claim(claim) end

local ends = whole(now + tonumber(hold))
redis.call('ZREM', WORKERS, worker) -- a removal first: a full server refuses a script whose first write adds
redis.call('ZADD', WORKERS, ends, worker)
redis.call('HSET', worker_of(worker), 'expires', ends)
if leaving == '1' then redis.call('HSET', worker_of(worker), 'leaving', '1') end
if not is_injected then
  redis.call('PEXPIRE', worker_of(worker), math.ceil((tonumber(hold) + WORKER_MEMORY) / 1000))
end
return tokens
