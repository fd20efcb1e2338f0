-- Ids of jobs in a state, by score and id. [FIRST] state, [+1] `1` for the last one first, [+2] how many at most,
-- [+3] [+4] score and id of the one to go on after, or empty. Processing: all ids at once, in no order.
-- Result: id, score, id, score, ... Cost: O(log n + page), for processing O(running jobs).
local state, reverse, size = ARGV[FIRST], ARGV[FIRST + 1] == '1', tonumber(ARGV[FIRST + 2])
local score, id = tonumber(ARGV[FIRST + 3]), ARGV[FIRST + 4]
local found = {}

if state == 'processing' then
  for _, held in ipairs(redis.call('HKEYS', CLAIMED)) do found[#found + 1] = { held, '0' } end
  for _, held in ipairs(redis.call('LRANGE', PROCESSING, 0, -1)) do found[#found + 1] = { held, '0' } end
  size = #found
end

local function before(a, b)
  local left, right = tonumber(a[2]), tonumber(b[2])
  if reverse then a, b, left, right = b, a, right, left end
  return left < right or (left == right and a[1] < b[1])
end

-- The next `size` entries of one sorted set, of ranks from `lowest` on.
local function collect(key, lowest)
  local from = lowest
  local to = redis.call('ZCARD', key) - 1
  if score then
    -- Where the last one seen has gone since, go on among those of the same score by id.
    local rank = redis.call('ZRANK', key, id)
    if rank and tonumber(redis.call('ZSCORE', key, id)) ~= score then rank = nil end
    if reverse then
      to = math.min(to, rank and rank - 1 or redis.call('ZCOUNT', key, '-inf', ARGV[FIRST + 3]) - 1)
    else
      from = math.max(from, rank and rank + 1 or redis.call('ZCOUNT', key, '-inf', '(' .. ARGV[FIRST + 3]))
    end
  end
  local taken = 0
  while taken < size and from <= to do
    local entries
    if reverse then
      entries = redis.call('ZRANGE', key, math.max(from, to - size + 1), to, 'WITHSCORES')
      to = to - size
    else
      entries = redis.call('ZRANGE', key, from, math.min(to, from + size - 1), 'WITHSCORES')
      from = from + size
    end
    for i = 1, #entries, 2 do
      local entry = { entries[i], entries[i + 1] }
      if not score or before({ id, ARGV[FIRST + 3] }, entry) then
        found[#found + 1] = entry
        taken = taken + 1
      end
    end
  end
end

if state == 'pending' then
  collect(PENDING, 0)
elseif state == 'paused' then
  collect(PAUSED, 0)
elseif ENDED[state] then
  collect(ENDED[state].key, first_kept(ENDED[state]))
  if state == 'failed' then collect(KEPT, 0) end
end
if state ~= 'processing' then table.sort(found, before) end

local result = {}
for n = 1, math.min(size, #found) do
  result[#result + 1] = found[n][1]
  result[#result + 1] = found[n][2]
end
return result
