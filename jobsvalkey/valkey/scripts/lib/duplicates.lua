-- Whether a push of an id is a duplicate.
-- uses: places vanishing

-- Whether an id is present or remembered; if not, the state in which something is left of a job of it, if it is.
local function is_known(id)
  local until_then = redis.call('ZSCORE', IDS, id)
  if until_then and tonumber(until_then) > now then return true end
  local state, ended, since = find_job(id)
  if state then return true end
  if not ended then return false end
  return fields(id, 'remember')[1] and since + tonumber(window) > now, ended
end

-- Remove what may be left under ids of new jobs. `remains` says by id in which state a job of it has ended.
local function clear(ids, remains)
  for _, id in ipairs(ids) do
    redis.call('DEL', envelope_of(id))
    if has_fielded() then
      if has_flows() then forget_inputs(id) end
      redis.call('DEL', fields_of(id))
    end
    local ended = remains[id]
    if ended then
      redis.call('ZREM', ENDED[ended].key, id)
      if has_kept() then
        redis.call('ZREM', ENDED[ended].kept, id)
        redis.call('ZREM', ENDED[ended].lasts, id)
      end
    end
  end
end
