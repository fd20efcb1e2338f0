-- What does not fit together about some ids, each looked at in one step.
-- uses: layout types places
-- each id: id
-- result: for each id a list of kinds of findings.
-- cost: O(log n) for each.
local refusal = refused(redis.call('GET', LAYOUT))
if refusal then return refusal end
local result = {}
for _, id in each_id do
  local found, states = {}, {}
  local payload, envelope = redis.call('TYPE', payload_of(id)).ok, redis.call('TYPE', envelope_of(id)).ok
  if is_broken(payload_of(id), 'string') or is_broken(envelope_of(id), 'hash') then found[#found + 1] = 'wrong_type' end
  if redis.call('ZSCORE', PENDING, id) then states[#states + 1] = 'pending' end
  if redis.call('ZSCORE', PAUSED, id) then states[#states + 1] = 'paused' end
  for state, policy in pairs(ENDED) do
    if redis.call('ZSCORE', policy.key, id) then states[#states + 1] = state end
  end
  if redis.call('ZSCORE', KEPT, id) then states[#states + 1] = 'failed' end
  if has_fielded() then
    if redis.call('ZSCORE', FIELDED, id) then states[#states + 1] = 'pending' end
    if has_lines() and redis.call('ZSCORE', LANED, id) then
      states[#states + 1] = 'pending'
      -- A job waits in vain if what its line, or the offers of its priority, hold is not ours.
      local priority, lane = line_named(id)
      if priority and (is_broken(line_of(priority, lane), 'zset') or is_broken(offers_of(priority), 'zset')) then
        found[#found + 1] = 'wrong_type'
      end
    end
    if redis.call('ZSCORE', FIELDED_PAUSED, id) then states[#states + 1] = 'paused' end
    if has_flows() and redis.call('ZSCORE', WAITING, id) then states[#states + 1] = 'waiting' end
    for _, state in ipairs({ 'completed', 'cancelled' }) do
      if redis.call('ZSCORE', ENDED[state].kept, id) then states[#states + 1] = state end
    end
  end
  if redis.call('EXISTS', PROCESSING) == 1 and redis.call('LPOS', PROCESSING, id) then
    states[#states + 1] = 'processing'
  end
  local claim = redis.call('HGET', CLAIMED, id)
  if claim then
    local _, _, _, worker = parse_claim(claim)
    -- A claim that its worker's set does not have could never be recovered.
    local is_set = redis.pcall('SISMEMBER', claims_of(worker), id) == 1
    states[#states + 1] = is_set and 'processing' or 'claimed by nobody'
  end

  local status = fields(id, 'status')[1]
  if #states == 1 and ENDED[states[1]] and not find_job(id) then
    found = {} -- beyond its retention: absent, and trimmed when its turn comes
  elseif #states == 0 then
    if payload ~= 'none' or envelope ~= 'none' then found[#found + 1] = 'unlisted_payload' end
  elseif #states > 1 then
    found[#found + 1] = 'several_states'
  else
    if payload == 'none' and states[1] ~= 'failed' then found[#found + 1] = 'missing_payload' end
    if (status or states[1] == 'claimed by nobody') and status ~= states[1] then found[#found + 1] = 'wrong_status' end
  end
  -- What ends when it expires, or since it is doomed, is what nobody has.
  local waits = #states > 1 or states[1] == 'pending' or states[1] == 'paused' or states[1] == 'waiting'
  if not waits and #found == 0 and has_expiry() and redis.call('ZSCORE', ENDS_AT, id) then found = { 'wrong_status' } end
  result[#result + 1] = found
end
return result
