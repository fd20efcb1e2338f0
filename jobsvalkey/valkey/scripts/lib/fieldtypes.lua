-- Keys of fielded jobs that hold something else.
-- uses: types fielded news names lines

-- An error if a list of fielded jobs is none; asked for before a script writes. `begins` says that it may make a job
-- fielded.
local function fielded_wrong_type(begins)
  if not (begins or has_fielded()) then return nil end
  local lists = { FIELDED, FIELDED_PAUSED, has_flows() and WAITING or nil }
  local keeps = begins or has_kept()
  lists[#lists + 1] = kept_of('failed')
  for _, state in ipairs(keeps and STATES or {}) do
    lists[#lists + 1], lists[#lists + 2] = kept_of(state), lasts_of(state)
  end
  if has_expiry() then
    for _, list in ipairs({ ENDS_AT, Q .. '.cancelled', META .. '_ids' }) do lists[#lists + 1] = list end
  end
  if has_lines() then
    lists[#lists + 1], lists[#lists + 2], lists[#lists + 3] = LANED, PRIORITIES, LANES
    local wrong = has_wrong_type('hash', TURNS) or has_limits() and has_wrong_type('hash', META .. '_limits', META .. '_sweeps')
    if wrong then return wrong end
  end
  return has_wrong_type('zset', unpack(lists)) or keeps and has_wrong_type('stream', NEWS) or has_names() and names_wrong_type()
end
