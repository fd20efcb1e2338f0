-- What exchanges did, by the minute: a field for each minute of a day, so that a new one takes the place of an old one.
-- uses: time
local ACTIVITY = META .. '_activity' -- hash: minute of the day, `minute started completed failed retried cancelled waited`
local MINUTE, DAY = 60000000, 1440 -- microseconds; minutes
local minute = math.floor(now / MINUTE)

-- Add numbers to those of this minute; the last is microseconds. That they cannot be noted fails nothing.
local function count_activity(numbers)
  local field, held = whole(minute % DAY), nil
  held = redis.pcall('HGET', ACTIVITY, field)
  if type(held) == 'string' and held:match('^%d+') == whole(minute) then
    local n = 0
    for number_held in held:gmatch(' (%d+)') do
      n = n + 1
      numbers[n] = (numbers[n] or 0) + tonumber(number_held)
    end
  end
  for n, number_of_minute in ipairs(numbers) do numbers[n] = whole(number_of_minute) end
  redis.pcall('HSET', ACTIVITY, field, whole(minute) .. ' ' .. table.concat(numbers, ' '))
end
