-- Ids that users gave, which are remembered for `window` microseconds after their jobs became absent.
-- uses: keys time
-- context: window
local IDS = META .. '_ids' -- zset: ids that are remembered, until when

-- Give up ids that need not be remembered any more, at most `most`.
local function free_ids(most)
  local past = math.min(redis.call('ZCOUNT', IDS, '-inf', whole(now)), most)
  if past > 0 then redis.call('ZREMRANGEBYRANK', IDS, 0, past - 1) end
end
