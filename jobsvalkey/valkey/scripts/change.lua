-- Rerun or remove one job. [FIRST + 3] `rerun`, of a job that has ended, or `remove`, of one that is not processing;
-- [+4] id.
-- Result: `1` where it was done, else `0`. Cost: O(log n).
local known = repeated()
if known then return known end
local wrong = wrong_type(unpack(CHANGED))
if wrong then return wrong end

local action, id = ARGV[FIRST + 3], ARGV[FIRST + 4]
local state, where = place(id)
local done = false
if action == 'rerun' then
  done = ENDED[state] and change('rerun', id, state, where)
else
  -- Also what `validate` finds: a job in a second place, and keys that belong to none. Where only `where` is set, there
  -- is something left of a job beyond its retention, which is absent.
  while state and state ~= 'processing' do
    done = change('remove', id, state, where)
    state, where = place(id)
  end
  if not done and not state and not where then done = redis.call('DEL', payload_of(id), meta_of(id)) > 0 end
end
return record_always(done and '1' or '0')
