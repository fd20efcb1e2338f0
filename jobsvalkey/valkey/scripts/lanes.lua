-- Lanes that have pending jobs, or a limit and claims.
-- uses: layout lines slots
-- args: has_cursor cursor size
-- `cursor` is the lane behind which to begin, if `has_cursor` is `1`; `size` how many lanes to list at most.
-- result: for each lane its name, how many of its jobs are pending, how many run, and its limit, the last two empty if it has
-- none; then the lane behind which to go on, if there may be more.
-- cost: O(log n) for each lane looked at, of which there are at most LOOKS more than are listed.
local LOOKS = 100
local refusal = refused(redis.call('GET', LAYOUT))
if refusal then return refusal end
local found, start, looks = {}, has_cursor == '1' and '[' .. cursor .. '+' or '-', tonumber(size) + LOOKS
while #found < 4 * size and looks > 0 do
  local name = redis.call('ZRANGEBYLEX', LANES, start, '+', 'LIMIT', 0, 1)[1]
  if not name then return found end
  local lane = name:match('^(.*)%*')
  local pending, limit = 0, has_limits() and tally_of(lane).limit
  for _, priority in ipairs(priorities_of(lane)) do
    local count = redis.pcall('ZCARD', line_of(priority, lane))
    pending = pending + (type(count) == 'number' and count or 0)
  end
  if limit or pending > 0 then
    local running = limit and redis.pcall('SCARD', slots_of(lane)) or ''
    found[#found + 1], found[#found + 2], found[#found + 3] = lane, pending, type(running) == 'table' and 0 or running
    found[#found + 1] = limit and limit.text or ''
  end
  start, looks, cursor = '[' .. lane .. '+', looks - 1, lane
end
if redis.call('ZRANGEBYLEX', LANES, start, '+', 'LIMIT', 0, 1)[1] then found[#found + 1] = cursor end
return found
