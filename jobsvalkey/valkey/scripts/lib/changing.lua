-- Jobs that are run anew or removed, from wherever they are.
-- uses: types places pending cancelling operations fieldtypes naming freeing

-- What a script that changes jobs asks before it writes: an error if a key that it may need holds another type.
local function changes_wrong_type()
  count_hints()
  return has_wrong_type('zset', PENDING, PAUSED, IDS, KEPT, ENDED.completed.key, ENDED.failed.key, ENDED.cancelled.key)
    or has_wrong_type('list', PROCESSING) or has_wrong_type('hash', CLAIMED) or fielded_wrong_type()
end

-- Run a job anew, due now and at attempt 1, or remove it; whether it could be done. One whose end is asked for does not run
-- anew: it ends.
local function rerun_or_remove(action, id, state, where)
  if action == 'remove' then
    local fielded = is_fielded(id)
    if has_flows() then remove_first() end
    if fielded and has_flows() and not ENDED[state] then holds().tell_end(id, 'removed') end
    take(id, state, where)
    free_name(id)
    vanish({ id }, now)
    if fielded and has_kept() then announce({ id }) end
    return true
  end
  if redis.call('TYPE', payload_of(id)).ok ~= 'string' then return false end -- without a request nothing can run
  local is_free, name = true, nil
  if state ~= 'processing' then is_free, name = can_retake(id) end
  if not is_free then return false end
  remove_first()
  if state == 'processing' and where then
    local _, _, due, _, _, is_aborted = parse_claim(where)
    if is_aborted then
      cancel(id, state, where, due)
      return true
    end
    keep_stored(id, due)
  end
  if has_flows() then holds().tell_batch(id, '-') end
  forget_reports(id)
  if name then take_names({ id }, { { name = name } }) end
  if has_expiry() then redis.pcall('HDEL', fields_of(id), 'expires') end
  mark(id, 'reset', '1')
  enter_one(id, seconds(now), is_fielded(id))
  take(id, state, where)
  unmark(id, 'status', 'error', 'result', 'ended', 'recoveries', 'workerID', 'processingStarted')
  return true
end
