-- Jobs to store, from their words. Lists that go to commands as they are, since there may be a thousand jobs in a step.
-- uses: keys pending

-- Jobs from their words, but for those that `left_out` has by number. `head` is the id, which is all for a job of ours that
-- is due at once; else `id due remember`: the due time as `due_at` takes it, `now` for now, and `remember` if a user gave
-- the id, else `-`. Such a job gets an envelope; the others have none before they are claimed: they were stored when they
-- were due, and where they are says their state.
local function jobs_of(each_job, left_out)
  local ids, keys, requests, entries, marks = {}, {}, {}, {}, {}
  local at_once, number_of_job, n = seconds(now), 0, 0
  for _, head, request in each_job do
    number_of_job = number_of_job + 1
    if not (left_out and left_out[number_of_job]) then
      local id, score = head, at_once
      if #head > 36 then
        local due, remember
        id, due, remember = head:match('^(%S+) (%S+) (%S+)$')
        if due ~= 'now' then
          score = seconds(due_at(due))
          marks[#marks + 1] = { id, 'stored', whole(now) }
        end
        if remember == 'remember' then marks[#marks + 1] = { id, 'remember', '1' } end
      end
      n = n + 1
      local payload, first, second = Q .. '/' .. id, 2 * n - 1, 2 * n
      ids[n], keys[first], keys[second] = id, payload, payload .. '.metadata'
      requests[first], requests[second], entries[first], entries[second] = payload, request, score, id
    end
  end
  return { ids = ids, keys = keys, requests = requests, entries = entries, marks = marks }
end

-- Store jobs that are not known. If something may be left under their ids, `remains` says by id in which state a job of it
-- has ended, if it is on that list.
local function store(jobs, remains)
  if #jobs.ids == 0 then return end
  batch('MSET', nil, jobs.requests) -- the first write: a full server refuses it
  if remains then
    for n = 2, #jobs.keys, 2 do redis.call('DEL', jobs.keys[n]) end
    for id, state in pairs(remains) do redis.call('ZREM', Q .. '.' .. state, id) end
  end
  for _, mark in ipairs(jobs.marks) do redis.call('HSET', envelope_of(mark[1]), mark[2], mark[3]) end
  enter(jobs.entries)
end
