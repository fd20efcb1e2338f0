-- The end of a job as cancelled.
-- uses: places ending

-- Cancel a job that was due at `due`, from wherever it is.
local function cancel(id, state, where, due)
  local is_kept = end_job(id, 'cancelled', due, is_fielded(id))
  list_ended()
  take(id, state, where)
  if not is_kept then vanish({ id }, now) end
  trim('cancelled', 100)
end
