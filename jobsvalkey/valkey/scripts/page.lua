-- Ids of jobs in a state, by score and id. Processing: all ids at once, in no order.
-- uses: layout places
-- args: state order size after_score after_id
-- `order` is `first` or `last` for the one to begin with, `size` how many at most, `after_score` and `after_id` name the one
-- to go on after, or are empty.
-- result: id, score, id, score, …
-- cost: O(log n + page), for processing O(running jobs).
local refusal = refused(redis.call('GET', LAYOUT))
if refusal then return refusal end
local is_reverse, most, position = order == 'last', tonumber(size), tonumber(after_score)
local found = {}

if state == 'processing' then
  for _, held in ipairs(redis.call('HKEYS', CLAIMED)) do found[#found + 1] = { held, '0' } end
  for _, held in ipairs(redis.call('LRANGE', PROCESSING, 0, -1)) do found[#found + 1] = { held, '0' } end
  most = #found
end

local function is_before(a, b)
  local left, right = tonumber(a[2]), tonumber(b[2])
  if is_reverse then a, b, left, right = b, a, right, left end
  return left < right or (left == right and a[1] < b[1])
end

-- The next `most` entries of one sorted set, of ranks from `lowest` on.
local function collect(key, lowest, kept)
  local from = lowest
  local to = redis.call('ZCARD', key) - 1
  if position then
    -- If the last one seen has gone since, go on among those of the same score by id.
    local rank = redis.call('ZRANK', key, after_id)
    if rank and tonumber(redis.call('ZSCORE', key, after_id)) ~= position then rank = nil end
    if is_reverse then
      to = math.min(to, rank and rank - 1 or redis.call('ZCOUNT', key, '-inf', after_score) - 1)
    else
      from = math.max(from, rank and rank + 1 or redis.call('ZCOUNT', key, '-inf', '(' .. after_score))
    end
  end
  local taken = 0
  while taken < most and from <= to do
    local entries
    if is_reverse then
      entries = redis.call('ZRANGE', key, math.max(from, to - most + 1), to, 'WITHSCORES')
      to = to - most
    else
      entries = redis.call('ZRANGE', key, from, math.min(to, from + most - 1), 'WITHSCORES')
      from = from + most
    end
    for i = 1, #entries, 2 do
      local entry = { entries[i], entries[i + 1] }
      local last = kept and lasts_until(kept, entry[1])
      if not (last and last <= now) and (not position or is_before({ after_id, after_score }, entry)) then
        found[#found + 1] = entry
        taken = taken + 1
      end
    end
  end
end

if state == 'pending' then
  collect(PENDING, 0)
  if has_fielded() then collect(FIELDED, 0) end
  if has_lines() then collect(LANED, 0) end
elseif state == 'paused' then
  collect(PAUSED, 0)
  if has_fielded() then collect(FIELDED_PAUSED, 0) end
elseif state == 'waiting' then
  if has_flows() then collect(WAITING, 0) end
elseif ENDED[state] then
  collect(ENDED[state].key, first_kept(ENDED[state]))
  if state == 'failed' or has_kept() then collect(ENDED[state].kept, 0, ENDED[state]) end
end
if state ~= 'processing' then table.sort(found, is_before) end

local result = {}
for n = 1, math.min(most, #found) do
  result[#result + 1] = found[n][1]
  result[#result + 1] = found[n][2]
end
return result
