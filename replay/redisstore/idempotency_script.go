package redisstore

// What the scripts of runs answer. Zero is not among them, so that nothing empty is taken for yes.
const (
	runBegun      = 1
	runAnswered   = 2
	runMismatch   = 3
	runInFlight   = 4
	runUnresolved = 5
)

// beginRun is one Begin of KEYS[1], as one step. ARGV: ID, fingerprint, lease and TTL in milliseconds.
//
// A run that finds its own ID began with a command whose reply was lost.
const beginRun = `#!lua
local value = redis.call('GET', KEYS[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not value then
  local lease = string.format('%.0f', now + tonumber(ARGV[3]))
  redis.call('SET', KEYS[1], 's' .. ARGV[1] .. ARGV[2] .. lease, 'PX', ARGV[4])
  return {1, ''}
end
if #value < 50 then return redis.error_reply('malformed run') end
if string.sub(value, 18, 49) ~= ARGV[2] then return {3, ''} end
local rest = string.sub(value, 50)
if string.sub(value, 1, 1) == 'd' then return {2, rest} end
if string.sub(value, 2, 17) == ARGV[1] then return {1, ''} end
if now < tonumber(rest) then return {4, ''} end
return {5, ''}
`

// finishRun is one Finish. ARGV: ID, fingerprint, TTL in milliseconds, the answer.
//
// What is not there was lost, by Redis or to its TTL: the run took place all the same. For that reason
// it may take memory that Redis has no longer to give.
const finishRun = `#!lua flags=allow-oom
local value = redis.call('GET', KEYS[1])
if value and string.sub(value, 2, 17) ~= ARGV[1] then return 5 end
if value and string.sub(value, 1, 1) == 'd' then return 1 end
local state = 'd' .. ARGV[1] .. ARGV[2] .. ARGV[4]
if ARGV[4] == '' then state = 's' .. ARGV[1] .. ARGV[2] .. '0' end
if value then
  redis.call('SET', KEYS[1], state, 'KEEPTTL')
else
  redis.call('SET', KEYS[1], state, 'PX', ARGV[3])
end
return 1
`

// forgetRun is one Forget. ARGV: ID, and the ID that stands for any run whose lease is over.
const forgetRun = `#!lua flags=allow-oom
local value = redis.call('GET', KEYS[1])
if not value then return 1 end
if string.sub(value, 1, 1) == 'd' then return 5 end
if ARGV[1] == ARGV[2] then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if now < tonumber(string.sub(value, 50)) then return 5 end
elseif string.sub(value, 2, 17) ~= ARGV[1] then
  return 5
end
redis.call('DEL', KEYS[1])
return 1
`
