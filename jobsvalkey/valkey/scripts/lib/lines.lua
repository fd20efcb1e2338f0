-- Lines: the pending jobs that have a lane or a priority, a list for each pair of these. A line with jobs stands among the
-- offers of its priority with its turn: since when it has had a due job or was served last, or when its first job is due. The
-- lines of a lane that is full stand below zero.
-- A key of a line that holds something else is that line's trouble: a push to it is refused, and its jobs wait.
-- uses: keys time fielded batches
local LANED = META .. '_laned' -- zset: all these jobs, by due time
local PRIORITIES = META .. '_priorities' -- zset: the priorities that have offers
local LANES = META .. '_lanes' -- zset: `LANE*PRIORITY` of each line with a lane, and, if it is limited, `LANE*` of one with claims
local TURNS = META .. '_turns' -- hash: `latest`, the turn of who was served last, and `plain`, that of jobs without a line
local function line_of(priority, lane) return META .. '_line.' .. priority .. '.' .. lane end -- zset: id, by due time
local function offers_of(priority) return META .. '_offers.' .. priority end -- zset: lane, its turn (microseconds), or where it is `held_back`

-- The place of a line among the offers, if its lane may have no more claims: it keeps its turn there, and is not offered.
local function held_back(turn) return -1 - turn end
local function turn_at(place) return place < 0 and held_back(place) or place end

-- The priorities of a lane's lines.
local function priorities_of(lane)
  local found = {}
  for _, name in ipairs(redis.call('ZRANGEBYLEX', LANES, '[' .. lane .. '*', '(' .. lane .. '+')) do
    if #name > #lane + 1 then found[#found + 1] = name:sub(#lane + 2) end
  end
  return found
end

-- The priority and the lane of a fielded job; nothing if it has neither.
local function line_named(id)
  local found = redis.pcall('HMGET', fields_of(id), 'priority', 'lane')
  if found.err or not (found[1] or found[2]) then return nil end
  return found[1] or '0', found[2] or ''
end

-- By priority, lane, turn, lane, turn, …, of lines that have room again in this step, and are still held back in the store: the
-- step claims first, and most of them are full again then.
local reopened = {}

-- Offer those of them that have not been served.
local function offer_reopened(is_done)
  for priority, lanes in pairs(reopened) do
    local entries = {}
    for n = 1, #lanes, 2 do
      if not (is_done and is_done(priority, lanes[n])) then
        entries[#entries + 1], entries[#entries + 2] = lanes[n + 1], lanes[n]
      end
    end
    batch('ZADD', offers_of(priority), entries)
  end
  reopened = {}
end

-- Put the turn of a line right, whose jobs have changed. Whether it is offered.
local start -- the turn of what begins to wait: behind all that was served
local before = {} -- the turns of the lines that this step has changed, as it found them: its changes are one change
local function offer(priority, lane)
  if next(reopened) then offer_reopened() end
  local line, offers = line_of(priority, lane), offers_of(priority)
  local first = redis.pcall('ZRANGE', line, 0, 0, 'WITHSCORES')[2]
  local place = tonumber(redis.pcall('ZSCORE', offers, lane) or nil)
  start = start or math.max(now, tonumber(redis.call('HGET', TURNS, 'latest') or 0))
  before[line] = before[line] or math.min(place and turn_at(place) or start, start)
  if not first then
    redis.pcall('ZREM', offers, lane)
    if redis.call('EXISTS', offers) == 0 then redis.call('ZREM', PRIORITIES, priority) end
    if lane ~= '' then redis.call('ZREM', LANES, lane .. '*' .. priority) end
    return
  end
  local allowed, is_open, is_spoiled = 0, true, false
  if lane ~= '' and has_limits() then
    -- uses: slots
    allowed = allowed_at(lane, 0)
    local places = room(lane)
    is_spoiled = not places or allowed == math.huge
    is_open = not is_spoiled and places > 0
  end
  local turn = math.max(micro(first), before[line], allowed > now and not is_spoiled and allowed or 0)
  if type(redis.pcall('ZADD', offers, whole(is_open and turn or held_back(turn)), lane)) == 'table' then
    is_open, is_spoiled = false, true
  elseif not place then
    redis.call('ZADD', PRIORITIES, priority, priority)
  end
  if not place and lane ~= '' then redis.call('ZADD', LANES, 0, lane .. '*' .. priority) end
  if is_spoiled and has_limits() then
    -- uses: slots
    redis.call('HSET', SWEEPS, lane, SPOILED) -- `recover` looks again
  end
  return is_open
end

-- Put those of some fielded jobs that have a line into it. Returns the entries of the others, theirs, and whether one of
-- the lines is offered.
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
  local is_offered = false
  for key, line in pairs(lines) do
    pcall(batch, 'ZADD', key, line)
    is_offered = offer(line.priority, line.lane) or is_offered
  end
  return others, laned, is_offered
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
