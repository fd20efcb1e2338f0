-- The workers whose lock has not run out, and those that hold claims.
-- uses: layout claims
-- result: id, description, end of its lock (microseconds), number of claims, id, …
-- cost: O(workers and claims).
local refusal = refused(redis.call('GET', LAYOUT))
if refusal then return refusal end
local found = {}
local listed = redis.call('ZRANGE', WORKERS, 0, -1, 'WITHSCORES')
for n = 1, #listed, 2 do
  local worker, ends = listed[n], tonumber(listed[n + 1])
  local held = #claims_held(worker)
  if ends > now or held > 0 then
    local about = redis.call('HGET', worker_of(worker), 'about') or ''
    for _, word in ipairs({ worker, about, whole(ends), held }) do found[#found + 1] = word end
  end
end
return found
