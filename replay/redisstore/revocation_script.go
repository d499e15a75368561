package redisstore

// What the scripts of revocations answer. Zero is not among them, so that nothing empty is taken for yes.
const (
	revocationsDone = 1
	revocationsFull = 2
	revocationsSkew = 3
)

// KEYS of both are the names, the log and the ends.
//
// The fields epoch and last of names stand beside the names, which are digests of 32 bytes. When
// the three keys do not fit together, one of them was lost: the others are taken for lost as
// well, and what is written anew has another epoch.

// writeRevocations adds revocations, as one step.
//
// ARGV: our time, the skew allowed, the grace, the capacity, an epoch if one has to begin, the
// channel; then for each entry the name, until when everything of it is revoked, before when it was
// issued what is revoked, and until when. Times are in milliseconds since 1970, 0 is never.
//
// The place in the log is Redis's time in microseconds, or one more than the last: after a failover
// that lost the last entries, new ones are not taken for those. What is over is taken away, a
// thousand at a time. The answer is a number and the last place. Numbers are written by string.format: what Lua itself writes has 14 digits.
//
// The list is bounded, and may take memory that Redis has no longer to give to others.
const writeRevocations = `#!lua flags=allow-oom
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if math.abs(now - tonumber(ARGV[1])) > tonumber(ARGV[2]) then return {3, ''} end
local names, log, ends = KEYS[1], KEYS[2], KEYS[3]
local size = redis.call('ZCARD', log)
if redis.call('HLEN', names) ~= size + 2 or redis.call('ZCARD', ends) ~= size then
  redis.call('DEL', names, log, ends)
  redis.call('HSET', names, 'epoch', ARGV[5], 'last', '0')
end
local over = redis.call('ZRANGE', ends, '-inf', string.format('%.0f', now), 'BYSCORE', 'LIMIT', 0, 1000)
if #over > 0 then
  redis.call('HDEL', names, unpack(over))
  redis.call('ZREM', log, unpack(over))
  redis.call('ZREM', ends, unpack(over))
end
local grace, capacity = tonumber(ARGV[3]), tonumber(ARGV[4])
local last = tonumber(redis.call('HGET', names, 'last'))
local begun, full = last, false
for i = 7, #ARGV, 4 do
  local name = ARGV[i]
  local all, before, till = tonumber(ARGV[i+1]), tonumber(ARGV[i+2]), tonumber(ARGV[i+3])
  local old = redis.call('HGET', names, name)
  if old then
    local a, b, u = string.match(old, '^(%d+):(%d+):(%d+)$')
    a, b, u = tonumber(a), tonumber(b), tonumber(u)
    if now < a + grace then all = math.max(all, a) end
    if now < u + grace then before, till = math.max(before, b), math.max(till, u) end
  end
  local value = string.format('%.0f:%.0f:%.0f', all, before, till)
  local gone = math.max(all, till) + grace
  if gone <= now or value == old then
  elseif not old and redis.call('ZCARD', log) >= capacity then
    full = true
  else
    last = math.max(last + 1, time[1] * 1000000 + time[2])
    redis.call('HSET', names, name, value)
    redis.call('ZADD', log, string.format('%.0f', last), name)
    redis.call('ZADD', ends, string.format('%.0f', gone), name)
  end
end
if last ~= begun then
  redis.call('HSET', names, 'last', string.format('%.0f', last))
  redis.pcall('PUBLISH', ARGV[6], '1')
end
local top = redis.call('ZRANGE', ends, 0, 0, 'REV', 'WITHSCORES')
local at = string.format('%.0f', (tonumber(top[2]) or now) + 60000)
for i = 1, 3 do redis.call('PEXPIREAT', KEYS[i], at) end
if full then return {2, ''} end
return {1, string.format('%.0f', last)}
`

// readRevocations gives what is new, as one step.
//
// ARGV: our time, the skew allowed, the place in the log after which to begin, and how many entries at
// most. It answers 1, the epoch, the last place that there is, and then up to so many entries in
// the order of their places: the names, what is revoked of them, and the place of the last.
//
// It writes nothing but counts as a write, which a read-only replica and a primary without
// enough replicas refuse; memory it needs none.
const readRevocations = `#!lua flags=allow-oom
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if math.abs(now - tonumber(ARGV[1])) > tonumber(ARGV[2]) then return {3} end
local names, log, ends = KEYS[1], KEYS[2], KEYS[3]
local size = redis.call('ZCARD', log)
if redis.call('HLEN', names) ~= size + 2 or redis.call('ZCARD', ends) ~= size then
  return {1, '', '0', {}, {}, '0'}
end
local epoch, last = unpack(redis.call('HMGET', names, 'epoch', 'last'))
local found = redis.call('ZRANGE', log, '(' .. ARGV[3], '+inf', 'BYSCORE', 'LIMIT', 0, tonumber(ARGV[4]))
if #found == 0 then return {1, epoch, last, {}, {}, ARGV[3]} end
return {1, epoch, last, found, redis.call('HMGET', names, unpack(found)), redis.call('ZSCORE', log, found[#found])}
`
