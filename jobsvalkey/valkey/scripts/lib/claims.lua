-- The claims: one entry in a hash for each, `token started due notes worker`, and a set of ids for each worker. The notes
-- are `remember`, of an id that a user gave, `fielded`, of a job that is, `laned`, of one that has but a lane and a priority,
-- `keep:MICROSECONDS`, of one that is to be kept for so long, `abort`, of a claim whose end is asked for, and at the end `lane=NAME`, if a lane of this queue has ever had a limit; several
-- as `abort+remember`, none as `-`.
-- uses: keys time batches fielded
local CLAIMED = META .. '_claimed'
local WORKERS = META .. '_workers' -- zset: worker, expiry of its lock; only those that may hold claims
local WORKER_MEMORY = 86400000000 -- microseconds for which a worker is known after its lock has run out

local function worker_of(worker) return META .. '_worker.' .. worker end -- hash: expires, about, leaving, listener, sequence, outcomes, in vain, aborts
local function claims_of(worker) return META .. '_claims.' .. worker end

-- The notes of a claim with those of its lane.
local function with_lane(notes, lane)
  if lane:find('[%s%%]') then lane = lane:gsub('[%s%%]', function(letter) return ('%%%02x'):format(letter:byte()) end) end
  return notes .. '+lane=' .. lane
end

-- The notes of a new claim; `line` is that of the job, if it has one, or says whether it is fielded, and `held` are its fields,
-- or the line, which tells them.
local function notes_of(is_remembered, line, held)
  if not line then return is_remembered and 'remember' or '-' end
  local keep_for = ''
  for n = 1, #held, 2 do
    if held[n] == 'keep_for' and held[n + 1]:find('^%d+$') then keep_for = '+keep:' .. held[n + 1] end
  end
  local notes = (is_remembered and 'remember+' or '') .. (held == line and 'laned' or 'fielded') .. keep_for
  if not (has_limits() and type(line) == 'table' and line.lane ~= '') then return notes end
  -- uses: claims
  return with_lane(notes, line.lane)
end

-- The claim with one note more.
local function with_note(claim, note)
  local head, notes, rest = claim:match('^(%S+ %d+ %S+ )(%S+)(.*)$')
  return head .. (notes == '-' and note or note .. '+' .. notes) .. rest
end

-- The parts of a claim: token, when it was made (microseconds), the score of its due time, worker, whether the id is to be
-- remembered, whether the claim's end is asked for, whether the job is fielded, or `laned`, the lane, as it is written there, and
-- for how long the job is to be kept. One that is not ours is nobody's, and as if it were made now.
local read_notes = {} -- what notes say before the lane, by them: most claims of a step have the same
local function parse_claim(claim)
  local token, started, score, notes, lane, worker = claim:match('^(%S+) (%d+) (%S+) ([^%s=]+=?)(%S*) (.*)$')
  if not number(score) then return '', whole(now), seconds(now), '', false, false, false end
  if notes == '-' then return token, started, score, worker, false, false, false end
  local read = read_notes[notes]
  if not read then
    read = {
      remember = notes:find('remember', 1, true) ~= nil, abort = notes:find('abort', 1, true) ~= nil,
      fielded = notes:find('fielded', 1, true) ~= nil or notes:find('laned', 1, true) ~= nil and 'laned',
      keep_for = notes:match('keep:(%d+)') or false,
    }
    read_notes[notes] = read
  end
  return token, started, score, worker, read.remember, read.abort, read.fielded, lane, read.keep_for
end

-- Note the id of a claim among those of its lane, which is named as in a claim. The lanes are listed in that order, too.
local function add_to_lane(lanes, lane, id)
  if lane:find('%', 1, true) then
    lane = lane:gsub('%%(%x%x)', function(hex) return string.char(tonumber(hex, 16)) end)
  end
  local ids = lanes[lane]
  if ids then ids[#ids + 1] = id else lanes[lane], lanes[#lanes + 1] = { id }, lane end
end

-- The ids of claims by lane.
local function lanes_of(ids)
  local lanes = {}
  for n, claim in ipairs(gather('HMGET', CLAIMED, ids)) do
    local token, _, _, _, _, _, _, lane = parse_claim(claim or '')
    if claim and token == '' then
      lane = redis.pcall('HGET', fields_of(ids[n]), 'lane') -- what is not ours does not say
      lane = type(lane) == 'string' and lane:gsub('%%', '%%25')
    end
    if lane and lane ~= '' then add_to_lane(lanes, lane, ids[n]) end
  end
  return lanes
end

-- End claims of one worker. The latest turn of the lines that have room for it, if there are any. If the worker's set is of
-- the wrong type, that is its trouble alone. `lanes` are the ids by lane, if they are known.
local function unclaim(ids, worker, lanes, is_going_on)
  if not lanes and has_limits() then
    -- uses: claims
    lanes = lanes_of(ids)
  end
  batch('HDEL', CLAIMED, ids)
  pcall(batch, 'SREM', claims_of(worker), ids)
  if lanes and next(lanes) then
    -- uses: leaving
    local room_since = leave_slots(lanes)
    if not is_going_on then end_leaving() end
    return room_since
  end
end

-- The ids and the claims of a worker, at most `most`, and whether there are more. Its set may name others: those that were
-- taken away, or that are somebody else's by now.
local function claims_held(worker, most)
  local ids, claims = {}, {}
  local listed = redis.call('SMEMBERS', claims_of(worker))
  for n, claim in ipairs(gather('HMGET', CLAIMED, listed)) do
    local _, _, _, holder = parse_claim(claim or '')
    if claim and (holder == worker or holder == '') then
      if #ids == most then return ids, claims, true end
      ids[#ids + 1], claims[#claims + 1] = listed[n], claim
    end
  end
  return ids, claims, false
end
