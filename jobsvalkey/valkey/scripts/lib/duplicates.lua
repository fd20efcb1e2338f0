-- Whether a push of an id is a duplicate.
-- uses: places vanishing

-- Whether an id is present or remembered; if not, the state in which something is left of a job of it, if it is.
local function is_known(id)
  local until_then = redis.call('ZSCORE', IDS, id)
  if until_then and tonumber(until_then) > now then return true end
  local state, ended, score = find_job(id)
  if state then return true end
  if not ended then return false end
  local age = ENDED[ended].age
  local since = age and math.min(now, micro(score) + age) or now
  return fields(id, 'remember')[1] and since + tonumber(window) > now, ended
end
