-- Jobs of which nothing is left but, for `window` microseconds, the ids that users gave.
-- uses: keys time batches envelopes fielded holds
-- context: window
local IDS = META .. '_ids' -- zset: ids that are remembered, until when

-- Give up ids that need not be remembered any more, at most `most`.
local function free_ids(most)
  local past = math.min(redis.call('ZCOUNT', IDS, '-inf', whole(now)), most)
  if past > 0 then redis.call('ZREMRANGEBYRANK', IDS, 0, past - 1) end
end

-- Drop what is left of jobs that became absent at `since`. `remember` says by id which ids are to be remembered, if the
-- caller knows. `are_bare` if it knows that none of them has an envelope.
local function vanish(ids, since, remember, are_bare)
  local keys, entries = {}, {}
  local ends = since + tonumber(window)
  for _, id in ipairs(ids) do
    keys[#keys + 1] = payload_of(id)
    if not are_bare then keys[#keys + 1] = envelope_of(id) end
    if has_fielded() then keys[#keys + 1] = fields_of(id) end
    if has_flows() then holds().forget_inputs(id) end
    local is_remembered
    if remember then is_remembered = remember[id] else is_remembered = fields(id, 'remember')[1] end
    if is_remembered and ends > now then
      entries[#entries + 1] = whole(ends)
      entries[#entries + 1] = id
    end
  end
  if #entries > 0 then
    redis.call('ZREM', IDS, '') -- a removal first, for a full server
    batch('ZADD', IDS, entries)
    free_ids(1000)
  end
  if has_expiry() then batch('ZREM', ENDS_AT, ids) end
  batch('DEL', nil, keys)
end
