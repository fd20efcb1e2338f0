-- Numbered steps. The producer's key holds `sequence expires digest answer` of its last one, for ten minutes. `digest` is
-- that of what is asked.
-- uses: keys time layout
-- args: producer sequence digest
local MEMORY = 600000000
local PRODUCER = META .. '_producer.' .. producer

-- Keep the answer of a step that was done.
local function record(answer)
  local value = sequence .. ' ' .. whole(now + MEMORY) .. ' ' .. digest .. ' ' .. answer
  if is_injected then
    redis.call('SET', PRODUCER, value)
  else
    redis.call('SET', PRODUCER, value, 'PX', MEMORY / 1000)
  end
  return answer
end

-- The first write of a step that must be possible on a full server, which refuses a script whose first write adds.
local function remove_first() redis.call('DEL', PRODUCER) end
local function record_always(answer)
  remove_first()
  return record(answer)
end

-- The recorded answer of a repeat, or a refusal; nil if the step is to be done.
local function answered()
  local found = redis.call('MGET', LAYOUT, PRODUCER)
  -- MGET tells nothing of a key that holds something else, GET fails.
  local refusal, last = refused(found[1] or redis.call('GET', LAYOUT)), found[2]
  if refusal then return refusal end
  if not last then return redis.call('GET', PRODUCER) or nil end
  local number_of_last, expires, digest_of_last, answer = last:match('^(%d+) (%d+) (%S*) (.*)$')
  if not expires or tonumber(expires) <= now then return nil end
  if tonumber(sequence) > tonumber(number_of_last) then return nil end
  if tonumber(sequence) < tonumber(number_of_last) then
    return fault('REFUSED', 'the producer is at ' .. number_of_last .. ' already')
  end
  if digest ~= digest_of_last then return fault('REFUSED', 'the same number was used for something else') end
  return record_always(answer)
end
