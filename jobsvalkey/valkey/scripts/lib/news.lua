-- The ends of jobs that are kept for those who wait for them. Readers remember how far they have come.
-- uses: keys
local NEWS = META .. '_ended' -- stream: id, or ids with spaces between
local NEWS_LENGTH = 3000 -- about so many entries are left for readers that lag
local TOLD_AT_ONCE = 8 -- ids in an entry at most

local function announce(ids)
  for from = 1, #ids, TOLD_AT_ONCE do
    local names = table.concat(ids, ' ', from, math.min(from + TOLD_AT_ONCE - 1, #ids))
    redis.call('XADD', NEWS, 'MAXLEN', '~', NEWS_LENGTH, '*', 'id', names)
  end
end
