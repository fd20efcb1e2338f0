-- Lines: the pending jobs that have a lane or a priority, a list for each pair of these. A line with jobs stands among the
-- offers of its priority with its turn: since when it has had a due job or was served last, or when its first job is due.
-- A key of a line that holds something else is that line's trouble: a push to it is refused, and its jobs wait.
-- uses: keys time fielded batches
local LANED = META .. '_laned' -- zset: all these jobs, by due time
local PRIORITIES = META .. '_priorities' -- zset: the priorities that have offers
local TURNS = META .. '_turns' -- hash: `latest`, the turn of who was served last, and `plain`, that of jobs without a line
local function line_of(priority, lane) return META .. '_line.' .. priority .. '.' .. lane end -- zset: id, by due time
local function offers_of(priority) return META .. '_offers.' .. priority end -- zset: lane, its turn (microseconds)

-- The priority and the lane of a fielded job; nothing if it has neither.
local function line_named(id)
  local found = redis.pcall('HMGET', fields_of(id), 'priority', 'lane')
  if found.err or not (found[1] or found[2]) then return nil end
  return found[1] or '0', found[2] or ''
end

-- Put the turn of a line right, whose jobs have changed; `served` is its turn if it has been served.
local start -- the turn of what begins to wait: behind all that was served
local emptied = {} -- the turns of lines that this step has emptied, and may fill again
local function offer(priority, lane, served)
  local line, offers = line_of(priority, lane), offers_of(priority)
  local first = redis.pcall('ZRANGE', line, 0, 0, 'WITHSCORES')[2]
  local turn = tonumber(redis.pcall('ZSCORE', offers, lane) or nil)
  if not first then
    emptied[line] = turn
    redis.pcall('ZREM', offers, lane)
    if redis.call('EXISTS', offers) == 0 then redis.call('ZREM', PRIORITIES, priority) end
    return
  end
  if not served then
    start = start or math.max(now, tonumber(redis.call('HGET', TURNS, 'latest') or 0))
    served = math.min(turn or emptied[line] or start, start)
  end
  redis.pcall('ZADD', offers, whole(math.max(micro(first), served)), lane)
  if not turn then redis.call('ZADD', PRIORITIES, priority, priority) end
end

-- Put those of some fielded jobs that have a line into it. Returns the entries of the others, and theirs.
local function enter_lines(entries)
  local others, laned, lines = {}, {}, {}
  for n = 1, #entries, 2 do
    local score, id = entries[n], entries[n + 1]
    local priority, lane = line_named(id)
    local list = priority and laned or others
    list[#list + 1], list[#list + 2] = score, id
    if priority then
      local key = line_of(priority, lane)
      local line = lines[key] or { priority = priority, lane = lane }
      line[#line + 1], line[#line + 2], lines[key] = score, id, line
    end
  end
  for key, line in pairs(lines) do
    pcall(batch, 'ZADD', key, line)
    offer(line.priority, line.lane)
  end
  return others, laned
end

-- Take a job from its line, if it has one and is pending; it is still listed by its due time.
local function leave_line(id)
  local priority, lane = line_named(id)
  if priority and redis.pcall('ZREM', line_of(priority, lane), id) == 1 then offer(priority, lane) end
end

-- Take jobs from both.
local function leave_lines(ids)
  for _, id in ipairs(ids) do leave_line(id) end
  batch('ZREM', LANED, ids)
end
