-- What the claim of a fielded job tells of it.
-- uses: fielded inputs

-- Its fields, with the results of its parents, and how large its state is, with these; or its line, if it has no field but
-- those that this tells.
local function told_of(id, line)
  if type(line) == 'table' and redis.pcall('HLEN', fields_of(id)) == line.fields then return line, 0 end
  local held = fields_held(id)
  if has_flows() then held = with_inputs(held) end
  return held, (has_flows() or features:find(REPORTS, 1, true)) and state_size(held) or 0
end
