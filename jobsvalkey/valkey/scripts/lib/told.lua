-- What the claim of a fielded job tells of it.
-- uses: fielded inputs

local have_lines_only = not features:find('[rsuef]') -- no job of this queue has ever had a field of another kind
local function fields_told(line) return (line.lane == '' and 0 or 1) + (line.priority == '0' and 0 or 1) end

-- Its fields, with the results of its parents, and how large its state is, with these; or its line, if it has no field but
-- those that this tells.
local function told_of(id, line)
  if type(line) == 'table' and (have_lines_only or redis.pcall('HLEN', fields_of(id)) == fields_told(line)) then return line, 0 end
  local held = fields_held(id)
  if has_flows() then held = with_inputs(held) end
  return held, (has_flows() or features:find(REPORTS, 1, true)) and state_size(held) or 0
end
