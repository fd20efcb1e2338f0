-- Pause the queue, so that nothing is claimed, or resume it.
-- uses: operations pending
-- args: paused
-- `paused` is `1` to pause, and empty to resume.
-- result: empty.
-- cost: O(1).
local answer = answered()
if answer then return answer end
count_hints()
local layout = VERSION .. features:gsub(PAUSE, '')
remove_first()
redis.call('SET', LAYOUT, paused == '1' and layout .. PAUSE or layout)
if paused ~= '1' then wake() end
return record('')
