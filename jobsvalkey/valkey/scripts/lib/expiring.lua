-- Jobs that have expired, or are doomed.
-- uses: ending

-- Cancel the first of the jobs that have expired or are doomed, and that nobody has. What is not where such jobs wait was
-- moved by somebody else, and is only forgotten. How many it was.
local function end_overdue()
  local MOST_EXPIRED = 100 -- jobs that one step ends
  local EXPIRED = -- the error that they get
    '{"type":"JobExpired","message":"no worker had it at its expiry, so it was cancelled","traceback":"","attempt":0}'
  local PARENT_FAILED =
    '{"type":"ParentFailed","message":"a job that it comes after did not complete, so it was cancelled","traceback":"","attempt":0}'
  local ids, gone = redis.call('ZRANGEBYSCORE', ENDS_AT, '-inf', whole(now), 'LIMIT', 0, MOST_EXPIRED), {}
  local ended, looked_at = 0, 0
  if #ids == 0 then return 0 end
  redis.call('ZREM', ENDS_AT, '') -- a removal first, for a full server
  local lists = { FIELDED, FIELDED_PAUSED, has_lines() and LANED or FIELDED, has_flows() and WAITING or FIELDED }
  -- One after the other: an end may let go, or doom, one that comes later.
  for _, id in ipairs(ids) do
    if has_flows() and not holds().may_tell(id) then break end
    looked_at = looked_at + 1
    for _, list in ipairs(lists) do
      local score = redis.call('ZSCORE', list, id)
      if score then
        ended = ended + 1
        local error = list == WAITING and holds().is_doomed(id) and PARENT_FAILED or EXPIRED
        if end_job(id, 'cancelled', score, true) then
          mark(id, 'error', error, 'ended', '-')
        else
          gone[#gone + 1] = id
        end
        list_ended()
        if list == WAITING then
          holds().leave_waiting(id)
        elseif list == LANED then
          leave_lines({ id })
        else
          redis.call('ZREM', list, id)
        end
        break
      end
    end
  end
  vanish(gone, now)
  batch('ZREM', ENDS_AT, { unpack(ids, 1, looked_at) })
  trim('cancelled', 2 * #ids)
  return ended
end
