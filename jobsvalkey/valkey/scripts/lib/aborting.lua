-- Requests to end the job of a claim. The claim says so itself, so that a request ends with it. The worker's record lists
-- the ids, so that the worker is told without a look at all its claims; a claim that does not say so has another run's id.
-- uses: keys claims

-- The tokens of a worker's claims whose end is asked for, and the ids of their jobs; `listed` is what its record says.
local function aborts_of(worker, listed)
  local candidates, tokens, ids = {}, {}, {}
  for id in listed:gmatch('%S+') do candidates[#candidates + 1] = id end
  for n, claim in ipairs(gather('HMGET', CLAIMED, candidates)) do
    local token, _, _, holder, _, is_aborted = parse_claim(claim or '')
    if is_aborted and holder == worker then tokens[#tokens + 1], ids[#ids + 1] = token, candidates[n] end
  end
  return tokens, ids
end
