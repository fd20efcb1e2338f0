-- Jobs as they are stored. [FIRST] `1` with their requests, `0` with only whether they have one; [+1...] ids.
-- Result: for each an empty list where it is absent, or: id, state, request, score (pending, paused, ended) or worker
-- (processing), the score of its due time and when it was claimed, in microseconds (processing), and the fields stored,
-- recoveries, reset, error.
-- Cost: O(log n) for each.
local complete, jobs = ARGV[FIRST] == '1', {}
for i = FIRST + 1, #ARGV do
  local id = ARGV[i]
  local state, where, swift_worker = place(id)
  if state then
    local request
    if complete then
      request = redis.call('MGET', payload_of(id))[1]
    else
      request = redis.call('TYPE', payload_of(id)).ok == 'string' and ''
    end
    local kept = fields(id, 'stored', 'recoveries', 'reset', 'error')
    local started, score
    if state == 'processing' then
      if where then
        local token
        token, started, score, where = parts_of(where)
      else
        local since = tonumber(fields(id, 'processingStarted')[1])
        where, started = swift_worker, since and whole(micro(since))
      end
    end
    local job = { id, state, request, where, score or false, started or false }
    for n = 1, 4 do job[n + 6] = kept[n] or false end
    jobs[#jobs + 1] = job
  else
    jobs[#jobs + 1] = {}
  end
end
return jobs
