-- Jobs as they are stored. [FIRST] `1` with their requests, `0` with only whether they have one; [+1...] ids.
-- Result: for each an empty list where it is absent, or: id, state, request, score (pending, paused, ended) or worker
-- (processing), and the fields stored, due, processingStarted, recoveries, reset, error.
-- Cost: O(log n) for each.
local complete, jobs = ARGV[FIRST] == '1', {}
for i = FIRST + 1, #ARGV do
  local id = ARGV[i]
  local state, where = place(id)
  if state then
    local request
    if complete then
      request = redis.call('MGET', payload_of(id))[1]
    else
      request = redis.call('TYPE', payload_of(id)).ok == 'string' and ''
    end
    local kept = fields(id, 'stored', 'due', 'processingStarted', 'recoveries', 'reset', 'error')
    local job = { id, state, request, where }
    for n = 1, 6 do job[n + 4] = kept[n] or false end
    jobs[#jobs + 1] = job
  else
    jobs[#jobs + 1] = {}
  end
end
return jobs
