-- What the claim of a fielded job tells of it.
-- uses: fielded inputs

-- Its fields, with the results of its parents, and how large its state is, with these.
local function told_of(id)
  local held = fields_held(id)
  if has_flows() then held = with_inputs(held) end
  return held, state_size(held)
end
