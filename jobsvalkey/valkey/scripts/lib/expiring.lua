-- Jobs that have expired.
-- uses: ending
local MOST_EXPIRED = 100 -- jobs that one step ends
local EXPIRED = -- the error that they get
  '{"type":"JobExpired","message":"no worker had it at its expiry, so it was cancelled","traceback":"","attempt":0}'

-- Cancel the first of the jobs that have expired and that nobody has. What is not where such jobs wait was moved by
-- somebody else, and is only forgotten. How many it was.
local function end_overdue()
  local ids, gone = redis.call('ZRANGEBYSCORE', ENDS_AT, '-inf', whole(now), 'LIMIT', 0, MOST_EXPIRED), {}
  local ended = 0
  if #ids == 0 then return 0 end
  redis.call('ZREM', ENDS_AT, '') -- a removal first, for a full server
  for _, list in ipairs({ FIELDED, FIELDED_PAUSED, has_lines() and LANED or nil }) do
    for n, score in ipairs(gather('ZMSCORE', list, ids)) do
      if score then
        ended = ended + 1
        if end_job(ids[n], 'cancelled', score, true) then
          mark(ids[n], 'error', EXPIRED, 'ended', '-')
        else
          gone[#gone + 1] = ids[n]
        end
      end
    end
    if list == LANED then leave_lines(ids) else batch('ZREM', list, ids) end
  end
  vanish(gone, now)
  batch('ZREM', ENDS_AT, ids)
  trim('cancelled', 2 * #ids)
  return ended
end
