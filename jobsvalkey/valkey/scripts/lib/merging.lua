-- The due jobs of both kinds in one order.
-- uses: fielded claims lines

-- A fielded job among the plain ones was run anew or resumed by Swift: put it where it belongs. Whether there was one.
local function bring_home(due)
  local keys = {}
  for n = 1, #due, 2 do keys[#keys + 1] = fields_of(due[n]) end
  if count_existing(keys) == 0 then return false end
  for n = 1, #due, 2 do
    local id, score = due[n], due[n + 1]
    if redis.call('EXISTS', fields_of(id)) == 1 then
      if redis.call('HEXISTS', CLAIMED, id) == 0 then
        redis.call('ZREM', FIELDED_PAUSED, id) -- a removal first, for a full server
        local others = { score, id }
        if has_lines() then
          local laned
          others, laned = enter_lines(others)
          batch('ZADD', LANED, laned)
        end
        batch('ZADD', FIELDED, others)
        -- It does not wait, so it had ended: one that is run anew does not expire.
        if has_expiry() and not redis.call('ZSCORE', ENDS_AT, id) then redis.pcall('HDEL', fields_of(id), 'expires') end
        for _, state in ipairs(has_kept() and STATES or {}) do
          redis.call('ZREM', kept_of(state), id)
          redis.call('ZREM', lasts_of(state), id)
        end
      end
      redis.call('ZREM', PENDING, id)
    end
  end
  return true
end

-- Those of the due jobs, all fielded, that have not expired.
local function unexpired(due)
  local ids, found = {}, {}
  for n = 1, #due, 2 do ids[#ids + 1] = due[n] end
  for n, expires in ipairs(gather('ZMSCORE', ENDS_AT, ids)) do
    if not (expires and tonumber(expires) <= now) then
      found[#found + 1], found[#found + 2] = due[2 * n - 1], due[2 * n]
    end
  end
  return found
end

-- The first of the due jobs of both kinds, id, score, id, score, …, and by id which are fielded. `plain` are those of one.
local function merged(plain, fielded)
  local due, kinds, a, b = {}, {}, 1, 1
  while #due < 2 * tonumber(limit) and (plain[a] or fielded[b]) do
    local is_plain = plain[a] ~= nil
    if is_plain and fielded[b] then
      local left, right = tonumber(plain[a + 1]), tonumber(fielded[b + 1])
      is_plain = left < right or (left == right and plain[a] < fielded[b])
    end
    if is_plain then
      due[#due + 1], due[#due + 2], a = plain[a], plain[a + 1], a + 2
    else
      due[#due + 1], due[#due + 2], kinds[fielded[b]], b = fielded[b], fielded[b + 1], true, b + 2
    end
  end
  return due, kinds
end
