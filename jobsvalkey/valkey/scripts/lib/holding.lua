-- How new jobs come to wait for others.
-- uses: places types holds inputs
local MOST_CHILDREN = 1000
local waits = holds()

-- Whether a job has parents or a batch: it is not replaced.
local function is_tied(id)
  local found = has_flows() and redis.pcall('HMGET', fields_of(id), 'after', 'batch')
  return found and not found.err and (found[1] or found[2]) and true
end

-- What is wrong with a job that is to be a parent, and was not pushed together with its child; or nothing, its state if
-- it has ended, and its score.
local function parent_problem(id)
  local state, where = find_job(id)
  if not state then return 'absent' end
  if ENDED[state] then return nil, state, where end
  local is_kept = keep_for_of(id)
  for _, policy in pairs(ENDED) do
    if policy.count == 0 and not is_kept then return 'not_kept' end
  end
  return state == 'processing' and not where and 'foreign' or nil
end

-- What is wrong with a job that is to be the callback of a batch.
local function batch_problem(id)
  local state = find_job(id)
  if not state or redis.pcall('HGET', fields_of(id), 'batch') ~= id then return 'no_batch' end
  return state ~= 'waiting' and 'decided' or nil
end

-- Looks at what holds the jobs of a push, in turn. `stands` tells of each id that was looked at which job stands, and
-- `planned` which jobs are written: those that are new have a push of their `own`.
local function holds_of_push(stands, planned)
  local looks, children = {}, {}
  local function is_new(id) return planned[id] and planned[id].own end

  -- Look at a job that is new; what is wrong, as the push answers it.
  local function look(id, held)
    local seen, look_of_id = {}, { parents = {}, if_failed = held.if_failed }
    for name in (held.after or ''):gmatch('[^,]+') do
      local parent = stands[name] or name
      if not seen[parent] then
        seen[parent] = true
        local problem, ended, score
        if not is_new(parent) then problem, ended, score = parent_problem(parent) end
        if not problem and not ended then
          children[parent] = (children[parent] or redis.call('SCARD', waits.children_of(parent))) + 1
          if children[parent] > MOST_CHILDREN then problem = 'crowded' end
        end
        if problem then return '!' .. problem .. ' ' .. id .. ' ' .. parent end
        look_of_id.parents[#look_of_id.parents + 1] = { parent, ended, score }
      end
    end
    if held.batch then
      local callback = held.batch ~= id and stands[held.batch] or held.batch
      look_of_id.batch = callback
      local problem
      if is_new(callback) then
        problem = (looks[callback] or {}).batch ~= callback and 'no_batch'
      elseif held.batch ~= id then
        problem = batch_problem(callback)
      end
      if problem then return '!' .. problem .. ' ' .. id .. ' ' .. callback end
    end
    looks[id] = look_of_id
  end
  return looks, look
end

-- Let a plain job be a fielded one, since others wait for it: Swift would tell nobody of its end.
local function make_fielded(id)
  if redis.call('EXISTS', fields_of(id)) == 1 then return end
  redis.call('HSET', fields_of(id), 'parent', '1')
  for plain, fielded in pairs({ [PENDING] = FIELDED, [PAUSED] = FIELDED_PAUSED }) do
    local score = redis.call('ZSCORE', plain, id)
    if score then
      redis.call('ZADD', fielded, score, id)
      redis.call('ZREM', plain, id)
    end
  end
  local claim = redis.call('HGET', CLAIMED, id)
  if claim then redis.call('HSET', CLAIMED, id, with_note(claim, 'fielded')) end
end

-- Put a new job, which is stored, where it belongs: it waits if something holds it.
local function hold(id, score, look)
  local names, told, held_by, is_over = {}, {}, 0, false
  for n, parent in ipairs(look.parents) do
    local name, ended, at = unpack(parent, 1, 3)
    names[n] = name
    if ended then
      local result = select(7, envelope(name, ended, at))
      told[#told + 1] = 'p.' .. name
      told[#told + 1] = result and ended .. keep_input(name, micro(at), result, 1) or ended
      is_over = is_over or ended ~= 'completed' and look.if_failed ~= 'run'
    else
      held_by = held_by + 1
      redis.call('SADD', waits.children_of(name), id)
      make_fielded(name)
    end
  end
  if #names > 0 then told[#told + 1], told[#told + 2] = 'after', table.concat(names, ',') end
  if look.batch == id then
    held_by = held_by + 1
    told[#told + 1], told[#told + 2] = 'open', '1'
  elseif look.batch then
    told[#told + 1], told[#told + 2] = 'batch', look.batch
    redis.call('HSET', waits.members_of(look.batch), id, '-')
    redis.call('HINCRBY', fields_of(look.batch), 'holds', 1)
  end
  local is_waiting = held_by > 0 or is_over
  if is_waiting then told[#told + 1], told[#told + 2] = 'holds', held_by end
  batch('HSET', fields_of(id), told)
  if not is_waiting then return enter_one(id, score, true) end
  redis.call('ZADD', WAITING, score, id)
  note_expiry({ score, id })
  if is_over then waits.doom(id) end
end
