-- Claims of which the worker has no use any more.
-- uses: pending claims ending

-- Put claimed jobs of one worker back, due when they were due before; those whose end is asked for end as cancelled.
-- `note` is told the ids and the worker before.
local function release(ids, claims, worker, note)
  local entries, others, gone, cancelled = {}, {}, {}, 0
  redis.call('SREM', claims_of(worker), '') -- a removal first, for a full server
  if note then note(ids, worker) end
  for n, id in ipairs(ids) do
    local _, _, due, _, _, is_aborted, fielded = parse_claim(claims[n])
    if is_aborted then
      cancelled = cancelled + 1
      if not end_job(id, 'cancelled', due, fielded) then gone[#gone + 1] = id end
    else
      local list = fielded and others or entries
      list[#list + 1], list[#list + 2] = due, id
    end
  end
  enter(entries, others)
  if unclaim(ids, worker) then wake() end
  vanish(gone, now)
  if cancelled > 0 then trim('cancelled', 2 * cancelled + 100) end
end
