-- The results of jobs that have ended, for those that were waiting for them: one copy of each, until the last of these is absent.
-- uses: keys time fielded
local function input_of(id, number) return META .. '_input.' .. id .. '.' .. number end -- hash: result, references

-- Call `each` with the key of every result that a job, whose fields are `held`, is told of, and with the parent's id.
local function each_input(held, each)
  for n = 1, #held, 2 do
    local parent = held[n]:match('^p%.(.+)$')
    local number = parent and held[n + 1]:match(' (%d+)$')
    if number then each(input_of(parent, number), parent) end
  end
end

-- The fields of a job, for its claim, with the results of its parents.
local function with_inputs(held)
  each_input(held, function(key, parent)
    local result = redis.pcall('HGET', key, 'result')
    if type(result) == 'string' then held[#held + 1], held[#held + 2] = 'r.' .. parent, result end
  end)
  return held
end

-- Keep the result of a parent for a number of its children, once for all; the number that it has, after a space, or
-- nothing if it cannot be kept: what is in the way is not ours.
local function keep_input(id, ended, result, children)
  for number = ended, ended + 99 do -- the next one for another run in the same microsecond
    local key = input_of(id, whole(number))
    local there = redis.pcall('HGET', key, 'result')
    if not there or there == result then
      redis.call('HSET', key, 'result', result)
      redis.call('HINCRBY', key, 'references', children)
      return ' ' .. whole(number)
    end
  end
  return ''
end

-- Drop the results that only this job was to be told of: it is going to be absent.
local function forget_inputs(id)
  if redis.pcall('HEXISTS', fields_of(id), 'after') ~= 1 then return end
  each_input(fields_held(id), function(key)
    if redis.pcall('HINCRBY', key, 'references', -1) == 0 then redis.call('DEL', key) end
  end)
end
