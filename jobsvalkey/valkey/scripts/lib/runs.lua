-- The last runs of a job that failed, or whose worker died, in its envelope: a line for each, the latest first, `time worker`,
-- and the first line of the error if it failed. A worker's id is percent-encoded as far as it would end a word.
-- uses: time envelopes

-- Note one, of which the latest 8 stay, with 200 bytes of the error at most; `error` is nil if its worker has died.
local function note_run(id, worker, error)
  local words = worker:gsub('[%s%%]', function(letter) return string.format('%%%02X', letter:byte()) end)
  local line = error and ' ' .. error:match('^[^\r\n]*'):sub(1, 200) or ''
  local runs = whole(now) .. ' ' .. words .. line .. '\n' .. (fields(id, 'runs')[1] or '')
  mark(id, 'runs', runs:match('^' .. ('[^\n]*\n'):rep(8)) or runs)
end
