-- Metadata: a plain value, or a lock, which is a value with an expiry. With an injected clock the expiry stands in LOCKS.
-- uses: keys time types
local LOCKS = META .. '_locks' -- hash: lock, its expiry; with an injected clock only

-- An error or nil, and { plain = value } or { holder = value } or {}.
local function lock_or_value(name)
  local wrong = has_wrong_type('hash', LOCKS) -- those who ask write it, after the value
  if wrong then return wrong end
  local key = META .. name
  local found = redis.call('TYPE', key).ok
  if found == 'none' then return nil, {} end
  if found ~= 'string' then return fault('TYPE', key .. ' holds a ' .. found .. ', not a value') end
  local value = redis.call('GET', key)
  if is_injected then
    local expires = redis.call('HGET', LOCKS, name)
    if not expires then return nil, { plain = value } end
    return nil, tonumber(expires) > now and { holder = value } or {}
  end
  return nil, redis.call('PTTL', key) >= 0 and { holder = value } or { plain = value }
end
