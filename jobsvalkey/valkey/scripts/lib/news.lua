-- The ends of jobs that are kept for those who wait for them. Readers remember how far they have come.
-- uses: keys
local NEWS = META .. '_ended' -- stream: id
local NEWS_LENGTH = 10000 -- about so many are left for readers that lag

local function announce(id) redis.call('XADD', NEWS, 'MAXLEN', '~', NEWS_LENGTH, '*', 'id', id) end
