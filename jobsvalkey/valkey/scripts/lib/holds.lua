-- Jobs that wait until others have ended: their parents, or the members of their batch. The fields of such a job: `after`,
-- its parents, `if_failed`, if it is `run`, `holds`, how many parents, members and its own batch hold it, `p.ID`, for a
-- parent that has ended, its state and the number of its result, if it has one, and `doomed`, if it only waits for its end.
-- Those of a callback: `batch`, its own id, `open`, while its batch holds it, and its counts, `completed` and so on.
-- What is done with them is made when a queue that has such jobs first needs it, in a step.
-- uses: keys time fielded pending inputs
local holds
function holds()
  local function children_of(id) return META .. '_children.' .. id end -- set: the waiting jobs that a parent holds
  local function members_of(id) return META .. '_members.' .. id end -- hash: member, the state in which it has ended, or `-`

  -- Take a job that nothing holds out of its wait; it has been added to its new place.
  local function let_go(id)
    redis.call('ZREM', WAITING, id)
    redis.pcall('HDEL', fields_of(id), 'open', 'doomed', 'holds')
    redis.call('DEL', members_of(id))
  end

  -- The same, whatever holds it.
  local function leave_waiting(id)
    local after = redis.pcall('HGET', fields_of(id), 'after')
    for parent in (type(after) == 'string' and after or ''):gmatch('[^,]+') do redis.pcall('SREM', children_of(parent), id) end
    let_go(id)
  end

  local function is_doomed(id) return redis.pcall('HGET', fields_of(id), 'doomed') == '1' end

  -- Take a hold from a job. Without the last one it is pending, due as it was pushed, unless it is doomed.
  local function take_hold(id)
    local due = redis.call('ZSCORE', WAITING, id)
    if redis.pcall('HINCRBY', fields_of(id), 'holds', -1) == 0 and due and not is_doomed(id) then
      enter_one(id, due, true)
      let_go(id)
    end
  end

  -- Let a waiting job end with the next exchange.
  local function doom(id)
    redis.pcall('HSET', fields_of(id), 'doomed', '1')
    local ends = redis.call('ZSCORE', ENDS_AT, id)
    if not (ends and tonumber(ends) <= now) then redis.call('ZADD', ENDS_AT, whole(now), id) end
    wake()
  end

  -- Tell a batch that is not decided of a member: the state in which it has ended, or `-` if it is run anew.
  local function tell_batch(id, state)
    local batch_id = redis.pcall('HGET', fields_of(id), 'batch')
    local before = type(batch_id) == 'string' and redis.pcall('HGET', members_of(batch_id), id)
    if type(before) ~= 'string' or (before == '-') == (state == '-') then return end
    redis.call('HSET', members_of(batch_id), id, state)
    if state == '-' then
      redis.pcall('HINCRBY', fields_of(batch_id), before, -1)
      redis.pcall('HINCRBY', fields_of(batch_id), 'holds', 1)
    else
      redis.pcall('HINCRBY', fields_of(batch_id), state, 1)
      take_hold(batch_id)
    end
  end

  -- Tell those that wait for a job in which state it has ended, with its result, if it has one, or that it was `removed`.
  local function tell_end(id, state, result)
    tell_batch(id, state == 'removed' and 'cancelled' or state)
    local children = redis.pcall('SMEMBERS', children_of(id))
    if children.err or #children == 0 then return end
    redis.call('DEL', children_of(id))
    local told = result and state .. keep_input(id, now, result, #children) or state
    for _, child in ipairs(children) do
      redis.pcall('HSET', fields_of(child), 'p.' .. id, told)
      if state ~= 'completed' and redis.pcall('HGET', fields_of(child), 'if_failed') ~= 'run' then
        doom(child)
      else
        take_hold(child)
      end
    end
  end

  local untold = 1000 -- how many children an exchange tells at most: more would keep the server for too long
  -- Whether this step may end a job, for whose end others wait; they count as told then.
  local function may_tell(id)
    local children = redis.pcall('SCARD', children_of(id))
    if type(children) ~= 'number' then return true end
    if children > untold then return false end
    untold = untold - children
    return true
  end

  local made = {
    may_tell = may_tell, children_of = children_of, members_of = members_of,
    leave_waiting = leave_waiting, take_hold = take_hold, doom = doom, is_doomed = is_doomed, tell_batch = tell_batch,
    tell_end = tell_end,
  }
  holds = function() return made end
  return made
end
