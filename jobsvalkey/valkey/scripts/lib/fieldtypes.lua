-- Keys of fielded jobs that hold something else.
-- uses: types fielded news names lines

-- An error if a list of fielded jobs is none; asked for before a script writes. `begins` says that it may make a job
-- fielded.
local function fielded_wrong_type(begins)
  if not (begins or has_fielded()) then return nil end
  local lists, rare = {}, { FIELDED_PAUSED, kept_of('failed'), has_flows() and WAITING or nil } -- often none of these is there
  local keeps = begins or has_kept()
  for _, state in ipairs(keeps and STATES or {}) do
    local list = state == 'completed' and lists or rare
    list[#list + 1], list[#list + 2] = kept_of(state), lasts_of(state)
  end
  if has_expiry() then
    for _, list in ipairs({ ENDS_AT, Q .. '.cancelled', META .. '_ids' }) do lists[#lists + 1] = list end
  end
  if has_lines() then
    lists[#lists + 1], lists[#lists + 2], lists[#lists + 3] = LANED, PRIORITIES, LANES
    rare[#rare + 1], rare[#rare + 2] = FIELDED, has_limits() and META .. '_rated' or nil
    local wrong = has_wrong_type('hash', TURNS)
      or has_limits() and has_wrong_type('hash', META .. '_limits', META .. '_sweeps')
    if wrong then return wrong end
  else
    lists[#lists + 1] = FIELDED
  end
  return redis.call('EXISTS', unpack(rare)) > 0 and has_wrong_type('zset', unpack(rare))
    or has_wrong_type('zset', unpack(lists)) or keeps and has_wrong_type('stream', NEWS) or has_names() and names_wrong_type()
end
