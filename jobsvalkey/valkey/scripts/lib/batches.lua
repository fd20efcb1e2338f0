-- Commands over any number of arguments. Lua's stack holds some thousands.

-- Call `command` with `first`, if there is one, and the arguments; the replies of the parts are handed to `each`.
local function batch(command, first, arguments, each)
  for from = 1, #arguments, 1000 do
    local to = math.min(from + 999, #arguments)
    local reply
    if first then
      reply = redis.call(command, first, unpack(arguments, from, to))
    else
      reply = redis.call(command, unpack(arguments, from, to))
    end
    if each then each(reply, to - from + 1) end
  end
end

-- The same for a key that may hold something else: its last reply, a number; nothing if it does.
local function try_batch(command, key, arguments)
  local reply
  for from = 1, #arguments, 1000 do
    reply = redis.pcall(command, key, unpack(arguments, from, math.min(from + 999, #arguments)))
    if type(reply) ~= 'number' then return nil end
  end
  return reply
end

-- How many of the keys are there; `key` is one more, counted with each thousand.
local function count_existing(keys, key)
  local count = 0
  batch('EXISTS', key, keys, function(found) count = count + found end)
  return count
end

-- The replies of a command that answers one thing for each argument, `false` for nothing.
local function gather(command, first, arguments)
  if first and arguments[1] and not arguments[1001] then return redis.call(command, first, unpack(arguments)) end
  local all = {}
  batch(command, first, arguments, function(found, length)
    for n = 1, length do all[#all + 1] = found[n] end
  end)
  return all
end
