-- Claims of which the worker has no use any more.
-- uses: pending claims

-- Put claimed jobs of one worker back, due when they were due before. `note` is told the ids before.
local function release(ids, claims, worker, note)
  local entries = {}
  for n, id in ipairs(ids) do
    local _, _, due = parse_claim(claims[n])
    entries[2 * n - 1], entries[2 * n] = due, id
  end
  redis.call('SREM', claims_of(worker), '') -- a removal first, for a full server
  if note then note(ids) end
  enter(entries)
  unclaim(ids, worker)
end
