-- The claims: one entry in a hash for each, `token started due notes worker`, and a set of ids for each worker. The notes
-- are `remember`, of an id that a user gave, `fielded`, of a job that is, and `abort`, of a claim whose end is asked for;
-- several as `remember+abort`, none as `-`.
-- uses: keys time batches
local CLAIMED = META .. '_claimed'
local WORKERS = META .. '_workers' -- zset: worker, expiry of its lock; only those that may hold claims
local WORKER_MEMORY = 86400000000 -- microseconds for which a worker is known after its lock has run out

local function worker_of(worker) return META .. '_worker.' .. worker end -- hash: expires, about, leaving, listener, sequence, outcomes, in vain, aborts
local function claims_of(worker) return META .. '_claims.' .. worker end

-- The notes of a new claim.
local function notes_of(is_remembered, fielded)
  if not fielded then return is_remembered and 'remember' or '-' end
  return is_remembered and 'remember+fielded' or 'fielded'
end

-- The claim with one note more.
local function with_note(claim, note)
  local head, notes, rest = claim:match('^(%S+ %d+ %S+ )(%S+)(.*)$')
  return head .. (notes == '-' and note or notes .. '+' .. note) .. rest
end

-- The parts of a claim: token, when it was made (microseconds), the score of its due time, worker, whether the id is to be
-- remembered, whether the claim's end is asked for, whether the job is fielded. One that is not ours is nobody's, and as if
-- it were made now.
local function parse_claim(claim)
  local token, started, score, notes, worker = claim:match('^(%S+) (%d+) (%S+) (%S+) (.*)$')
  if not number(score) then return '', whole(now), seconds(now), '', false, false, false end
  if notes == '-' then return token, started, score, worker, false, false, false end
  local function has(note) return notes:find(note, 1, true) ~= nil end
  return token, started, score, worker, has('remember'), has('abort'), has('fielded')
end

-- End claims of one worker. If its set is of the wrong type, that is the worker's trouble alone.
local function unclaim(ids, worker)
  batch('HDEL', CLAIMED, ids)
  pcall(batch, 'SREM', claims_of(worker), ids)
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
