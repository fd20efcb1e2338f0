-- Open a worker, or extend its lock. [FIRST] worker, [+1] microseconds to hold, [+2] `1` to open it where it is not known.
-- Result: the tokens of its claims. Cost: O(claims of the worker).
local worker, hold, open = ARGV[FIRST], tonumber(ARGV[FIRST + 1]), ARGV[FIRST + 2] == '1'
local key, claims_key = worker_of(worker), claims_of(worker)
TYPES[claims_key] = 'set'
local wrong = wrong_type(WORKERS, CLAIMED, claims_key)
if wrong then return wrong end
local expires = tonumber(redis.call('HGET', key, 'expires'))
if not open and (not expires or expires + 86400000000 <= now) then return fault('CLOSED', worker) end

redis.call('ZREM', WORKERS, worker) -- a removal first: a full server refuses a script whose first write adds
redis.call('ZADD', WORKERS, whole(now + hold), worker)
redis.call('HSET', key, 'expires', whole(now + hold))
if not injected then redis.call('PEXPIRE', key, math.ceil(hold / 1000) + 86400000) end
local tokens = {}
local ids = redis.call('SMEMBERS', claims_key)
batch('HMGET', CLAIMED, ids, function(claims)
  for n = 1, math.min(#ids - #tokens, 1000) do tokens[#tokens + 1] = claims[n] and parts_of(claims[n]) or '' end
end)
return tokens
