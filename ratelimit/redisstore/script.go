package redisstore

// script decides over all limits of one request by Redis's own clock and takes all or none.
//
// KEYS[i] is the bucket of limit i: two doubles, owed until so many microseconds of Unix time and
// parts of one more. ARGV[1] holds six doubles for each: what is taken and the most that may be
// owed, both as microseconds and parts, how many parts a microsecond has, and the moment at which
// the clock of a quota stands, or 0 for Redis's own clock. The answer is 1 or 0, and what each
// limit owed before, two doubles again. Doubles are little-endian, and take a third off the time
// that numbers in text took. Of what is in a bucket only the length is looked at here: a value
// that no script wrote comes back in the answer, which Store does not believe.
//
// Lua counts in doubles. Every number here is below 2^53: the clock until the year 2255,
// parts because their number is at most 1000 times MaxCount, and only sums are formed.
//
// Nobody can owe more than the most that is allowed, so when more is found, the clock went
// back: that bucket counts as full instead of staying shut until the clock has caught up. A
// quota's clock goes back when a process is behind others at midnight: it finds all spent.
const script = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local held = redis.call('MGET', unpack(KEYS))
local limits, answer, after, life = ARGV[1], '', {}, {}
local pass = '1'
for i = 1, #KEYS do
  local cost, costfrac, most, mostfrac, parts, clock = struct.unpack('<dddddd', limits, i * 48 - 47)
  if clock == 0 then
    clock = now
  end
  local owed, frac = 0, 0
  local was = held[i]
  if was then
    if #was ~= 16 then
      error('no bucket')
    end
    owed, frac = struct.unpack('<dd', was)
    owed = owed - clock
    if owed < 0 then
      owed, frac = 0, 0
    elseif owed > most or (owed == most and frac > mostfrac) then
      owed, frac = most, mostfrac
    end
  end
  answer = answer .. struct.pack('<dd', owed, frac)
  if cost > 0 or costfrac > 0 then
    owed, frac = owed + cost, frac + costfrac
    if frac >= parts then
      owed, frac = owed + 1, frac - parts
    end
    if owed > most or (owed == most and frac > mostfrac) then
      pass = '0'
    end
    after[i] = struct.pack('<dd', clock + owed, frac)
    life[i] = math.max(0, clock + owed - now) / 1000 + 2
  end
end
if pass == '1' then
  for i = 1, #KEYS do
    if after[i] then
      redis.call('SET', KEYS[i], after[i], 'PX', string.format('%d', life[i]))
    end
  end
end
return pass .. answer
`
