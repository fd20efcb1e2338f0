-- Cancel a job that has not run, or ask for the end of the one that runs.
-- uses: operations types places cancelling aborting fieldtypes
-- args: id
-- result: `cancelled`, `requested` or `nothing`.
-- cost: O(log n), and O(1) for each of its worker's claims whose end is asked for.
local NEWS_MEMORY = 600000 -- milliseconds for which news wait for a driver that has ended
local answer = answered()
if answer then return answer end
local wrong = has_wrong_type('zset', PENDING, PAUSED, ENDED.cancelled.key, IDS) or has_wrong_type('hash', CLAIMED)
  or fielded_wrong_type()
if wrong then return wrong end
if has_flows() then count_hints() end

-- Ask for the end of a claim, and tell the driver of its worker; whether there is a worker to hear it. If the worker's
-- record is not ours, it hears of it at its next renewal.
local function ask_for_end(id, claim)
  local _, _, _, worker, _, is_aborted = parse_claim(claim)
  if worker == '' then return false end
  if not is_aborted then redis.call('HSET', CLAIMED, id, with_note(claim, 'abort')) end
  local found = redis.pcall('HMGET', worker_of(worker), 'listener', 'aborts')
  local listener, listed = unpack(found.err and {} or found, 1, 2)
  if listener then
    if not is_aborted then
      local _, ids = aborts_of(worker, (listed or '') .. ' ' .. id)
      redis.call('HSET', worker_of(worker), 'aborts', table.concat(ids, ' '))
    end
    local news = META .. '_news.' .. listener -- list: at most one hint that there are news of claims
    if redis.pcall('LLEN', news) == 0 then redis.pcall('LPUSH', news, '1') end
    if not is_injected then redis.pcall('PEXPIRE', news, NEWS_MEMORY) end
  end
  return true
end

local state, where = find_job(id)
remove_first()
if state == 'pending' or state == 'paused' or state == 'waiting' then
  cancel(id, state, where, where)
  return record('cancelled')
end
local is_heard = state == 'processing' and where and ask_for_end(id, where)
return record(is_heard and 'requested' or 'nothing')
