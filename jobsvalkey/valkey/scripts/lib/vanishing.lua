-- Jobs of which nothing is left but, if users gave them, their ids.
-- uses: keys time batches envelopes fielded remembering

-- Drop what is left of jobs that became absent at `since`. `remember` says by id which ids are to be remembered, if the
-- caller knows. `are_bare` if it knows that none of them has an envelope.
local function vanish(ids, since, remember, are_bare)
  if has_flows() then
    -- uses: inputs
    for _, id in ipairs(ids) do forget_inputs(id) end
  end
  if not remember then
    -- uses: envelopes
    remember = {}
    for _, id in ipairs(ids) do remember[id] = fields(id, 'remember')[1] end
  end
  local keys, entries, have_fields = {}, {}, has_fielded()
  local ends = since + tonumber(window)
  for _, id in ipairs(ids) do
    keys[#keys + 1] = payload_of(id)
    if not are_bare then keys[#keys + 1] = envelope_of(id) end
    if have_fields then keys[#keys + 1] = fields_of(id) end
    if remember[id] and ends > now then
      entries[#entries + 1] = whole(ends)
      entries[#entries + 1] = id
    end
  end
  if #entries > 0 then
    -- uses: remembering
    redis.call('ZREM', IDS, '') -- a removal first, for a full server
    batch('ZADD', IDS, entries)
    free_ids(1000)
  end
  if has_expiry() then batch('ZREM', ENDS_AT, ids) end
  batch('DEL', nil, keys)
end
