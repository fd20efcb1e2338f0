-- Jobs as they are stored.
-- uses: layout places
-- args: with_requests
-- each id: id
-- `with_requests` is `1` for the requests, empty for only whether there is one.
-- result: for each id an empty list if it is absent, or: id, state, request, score (pending, paused, ended) or worker
-- (processing), the score of its due time and when it was claimed, in microseconds (processing), and the fields stored,
-- recoveries, reset, error; then, if there are any, the result, and its fields, name, value, …; its runs are one of them.
-- cost: O(log n) for each.
local refusal = refused(redis.call('GET', LAYOUT))
if refusal then return refusal end
local jobs = {}
for _, id in each_id do
  local state, where, swift_worker = find_job(id)
  if state then
    local request
    if with_requests == '1' then
      request = redis.call('MGET', payload_of(id))[1]
    else
      request = redis.call('TYPE', payload_of(id)).ok == 'string' and ''
    end
    local started, score
    if state == 'processing' then
      if where then
        local _
        _, started, score, where = parse_claim(where)
      else
        local since = number(fields(id, 'processingStarted')[1])
        where, started = swift_worker, since and whole(micro(since))
      end
    end
    local stored, recoveries, reset, error, _, _, outcome = envelope(id, state, where)
    local job = {
      id, state, request, where, score or false, started or false,
      stored or false, recoveries or false, reset or false, error or false,
    }
    local runs = with_requests == '1' and (stored or recoveries) and fields(id, 'runs')[1]
    if outcome or runs or has_fielded() then
      job[#job + 1] = with_requests == '1' and outcome or false
      for _, word in ipairs(has_fielded() and fields_shown(id) or {}) do job[#job + 1] = word end
      if runs then job[#job + 1], job[#job + 2] = 'runs', runs end
    end
    jobs[#jobs + 1] = job
  else
    jobs[#jobs + 1] = {}
  end
end
return jobs
