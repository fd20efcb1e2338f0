-- Rerun or remove one job.
-- uses: operations changing
-- args: action id
-- `action` is `rerun`, of a job that has ended, or `remove`, of one that is not processing.
-- result: `1` if it was done, else `0`.
-- cost: O(log n).
local answer = answered()
if answer then return answer end
local wrong = changes_wrong_type()
if wrong then return wrong end

local state, where = find_job(id)
local is_done = false
if action == 'rerun' then
  is_done = ENDED[state] and rerun_or_remove('rerun', id, state, where)
else
  -- Also what `validate` finds: a job in a second place, and keys that belong to none. If only `where` is set, there is
  -- something left of a job beyond its retention, which is absent.
  while state and state ~= 'processing' do
    is_done = rerun_or_remove('remove', id, state, where)
    state, where = find_job(id)
  end
  if not is_done and not state and not where and count_existing({ payload_of(id), envelope_of(id) }) > 0 then
    free_name(id)
    vanish({ id }, now, {})
    is_done = true
  end
end
return record_always(is_done and '1' or '0')
