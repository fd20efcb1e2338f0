-- Keys that hold something else than what is ours. Lua does not roll back, so a script asks for what it is going to write
-- and has not read by then.
-- uses: keys

-- An error if one of the keys of the queue holds another type.
local function has_wrong_type(expected, ...)
  for _, key in ipairs({ ... }) do
    local found = redis.call('TYPE', key).ok
    if found ~= 'none' and found ~= expected then
      return fault('TYPE', key .. ' holds a ' .. found .. ', not a ' .. expected)
    end
  end
end

-- Whether a job's key holds another type.
local function is_broken(key, expected)
  -- Asked of each job that ends: a number is made sooner than the table that `TYPE` answers.
  if expected == 'string' and type(redis.pcall('STRLEN', key)) == 'number' then return false end
  local found = redis.call('TYPE', key).ok
  return found ~= 'none' and found ~= expected
end
