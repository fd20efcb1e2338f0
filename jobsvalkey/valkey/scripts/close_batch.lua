-- Take a batch's own hold from its callback.
-- uses: operations holds fieldtypes types
-- args: id
-- result: `1` if it was held by that, else `0`.
-- cost: O(log n), and O(members) for the last hold.
local answer = answered()
if answer then return answer end
local wrong = fielded_wrong_type() or has_wrong_type('zset', PENDING)
if wrong then return wrong end
count_hints()
local is_open = has_flows() and redis.call('ZSCORE', WAITING, id) and redis.pcall('HGET', fields_of(id), 'open') == '1'
if not is_open then return record_always('0') end
remove_first()
redis.call('HDEL', fields_of(id), 'open')
holds().take_hold(id)
return record('1')
