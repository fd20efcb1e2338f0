-- Jobs to store, from their words. Lists that go to commands as they are, since there may be a thousand jobs in a step.
-- uses: keys pending

-- Jobs from their words, but for those that `left_out` has by number. `head` is the id, which is all for a job of ours that
-- is due at once; else `id due remember NAME:VALUE …`: the due time as `due_at` takes it, `now` for now, `remember` if a
-- user gave the id, else `-`, and the fields that make it a fielded one. Such a job gets an envelope; the others have none
-- before they are claimed: they were stored when they were due, and where they are says their state.
local function jobs_of(each_job, left_out)
  local ids, keys, requests, entries, marks, others, fields = {}, {}, {}, {}, {}, {}, {}
  local at_once, number_of_job, n = seconds(now), 0, 0
  for _, head, request in each_job do
    number_of_job = number_of_job + 1
    if not (left_out and left_out[number_of_job]) then
      local id, score, list = head, at_once, entries
      if #head > 36 then
        local due, remember, rest
        id, due, remember, rest = head:match('^(%S+) (%S+) (%S+)(.*)$')
        if due ~= 'now' then
          score = seconds(due_at(due))
          marks[#marks + 1] = { id, 'stored', whole(now) }
        end
        if remember == 'remember' then marks[#marks + 1] = { id, 'remember', '1' } end
        if rest ~= '' then
          local values = {}
          for name, value in rest:gmatch(' ([%w_]+):(%S+)') do
            values[#values + 1], values[#values + 2] = name, value
          end
          fields[#fields + 1], list = { id, values }, others
        end
      end
      n = n + 1
      local payload, first, second = Q .. '/' .. id, 2 * n - 1, 2 * n
      ids[n], keys[first], keys[second] = id, payload, payload .. '.metadata'
      requests[first], requests[second] = payload, request
      list[#list + 1], list[#list + 2] = score, id
    end
  end
  return {
    ids = ids, keys = keys, requests = requests, entries = entries, marks = marks, others = others, fields = fields,
  }
end

-- Store jobs that are not known. If something may be left under their ids, `prepare` removes it.
local function store(jobs, prepare)
  if #jobs.ids == 0 then return end
  batch('MSET', nil, jobs.requests) -- the first write: a full server refuses it
  if prepare then prepare(jobs.ids) end
  if #jobs.fields > 0 then begin_to_use('r') end
  for _, each in ipairs(jobs.fields) do
    redis.call('DEL', fields_of(each[1]))
    redis.call('HSET', fields_of(each[1]), unpack(each[2]))
  end
  for _, mark in ipairs(jobs.marks) do redis.call('HSET', envelope_of(mark[1]), mark[2], mark[3]) end
  enter(jobs.entries, jobs.others)
end
