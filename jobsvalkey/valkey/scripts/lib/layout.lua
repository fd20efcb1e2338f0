-- The layout of the keys: a version, then a letter for each feature that this queue has ever used. A script that does
-- not know one of the letters could break what the feature promises, so it refuses. One that claims reads here as well
-- that the queue is paused, so that it costs nothing while it is not.
-- uses: keys
local LAYOUT, VERSION = META .. '_layout', '1'
local PAUSE = 'p' -- is there while the queue is paused
local FEATURES = 'rsuelafc' .. PAUSE -- `a`: exchanges count what they do
local features = '' -- the letters of this queue, from when `refused` has looked at them

local function refused(layout)
  if not layout or layout == VERSION then return nil end
  local version, letters = layout:match('^(%d+)(%a*)$')
  local is_ours = version == VERSION
  for letter in (letters or ''):gmatch('.') do is_ours = is_ours and FEATURES:find(letter, 1, true) end
  if not is_ours then return fault('LAYOUT', layout) end
  features = letters
end

-- Note that the queue uses a feature from now on.
local function begin_to_use(letter)
  if features:find(letter, 1, true) then return end
  features = features .. letter
  redis.call('SET', LAYOUT, VERSION .. features)
end

local function is_queue_paused() return features:find(PAUSE, 1, true) ~= nil end
