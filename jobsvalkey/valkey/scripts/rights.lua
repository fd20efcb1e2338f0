-- Ask for the rights to commands, so that no script is refused in its middle.
-- uses: keys
-- each command: command
-- result: the commands, and the keys, that the user has no right to.
-- cost: O(commands).
local denied = {}
if not redis.acl_check_cmd then return denied end
for _, command in each_command do
  -- Some take the arguments that follow the first one for keys, too.
  if not redis.acl_check_cmd(command, Q, Q, Q) then denied[#denied + 1] = command end
end
for _, key in ipairs({ META .. '_layout', payload_of('') }) do
  if not redis.acl_check_cmd('set', key, '') then denied[#denied + 1] = key end
end
return denied
