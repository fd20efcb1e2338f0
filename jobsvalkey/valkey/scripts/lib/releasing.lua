-- Claims of which the worker has no use any more.
-- uses: pending claims ending

-- Those of the claims that may end in this step: of those whose end is asked for, as many as may tell their children.
local function may_go(ids, claims)
  local found, theirs = {}, {}
  for n, id in ipairs(ids) do
    local is_aborted = select(6, parse_claim(claims[n]))
    if not is_aborted or holds().may_tell(id) then found[#found + 1], theirs[#theirs + 1] = id, claims[n] end
  end
  return found, theirs
end

-- Put claimed jobs of one worker back, due when they were due before; those whose end is asked for end as cancelled.
-- `note` is told the ids and the worker before. If `is_bounded`, those are left that may not end in this step. How many it was.
local function release(ids, claims, worker, note, is_bounded)
  local entries, others, gone, cancelled = {}, {}, {}, 0
  redis.call('SREM', claims_of(worker), '') -- a removal first, for a full server
  if is_bounded and has_flows() then ids, claims = may_go(ids, claims) end
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
  list_ended()
  if unclaim(ids, worker) then wake() end
  vanish(gone, now)
  if cancelled > 0 then trim('cancelled', 2 * cancelled + 100) end
  return #ids
end
