-- What exchanges did in the minutes of the last day.
-- uses: layout activity
-- result: for each minute in which they did something, in no order, its number since 1970 and what is counted, as words.
-- cost: O(1440).
local refusal = refused(redis.call('GET', LAYOUT))
if refusal then return refusal end
local found, held = {}, redis.call('HGETALL', ACTIVITY)
for n = 2, #held, 2 do
  local number_of_minute = tonumber(held[n]:match('^%d+'))
  if number_of_minute and number_of_minute > minute - DAY then found[#found + 1] = held[n] end
end
return found
