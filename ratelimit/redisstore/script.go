package redisstore

// script decides over all limits of one request by Redis's own clock and takes all or none.
//
// KEYS[i] is the bucket of limit i: "at:frac", owed until at microseconds of Unix time and
// frac parts of one more. ARGV holds six numbers for each: what is taken and the most that may
// be owed, both as microseconds and parts, how many parts a microsecond has, and the moment at
// which the clock of a quota stands, or 0 for Redis's own clock. The answer is 1 or 0, and what
// each limit owed before, as microseconds and parts.
//
// Lua counts in doubles. Every number here is below 2^53: the clock until the year 2255,
// parts because their number is at most 1000 times MaxCount, and only sums are formed. %.0f
// prints them in full, where tostring would stop after 14 digits.
//
// Nobody can owe more than the most that is allowed, so when more is found, the clock went
// back: that bucket counts as full instead of staying shut until the clock has caught up. A
// quota's clock goes back when a process is behind others at midnight: it finds all spent.
const script = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local held = redis.call('MGET', unpack(KEYS))
local answer = {1}
local after = {}
for i = 1, #KEYS do
  local a = (i - 1) * 6
  local cost, costfrac = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  local most, mostfrac, parts = tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5])
  local clock = tonumber(ARGV[a + 6])
  if clock == 0 then
    clock = now
  end
  local owed, frac = 0, 0
  if held[i] then
    local at, f = string.match(held[i], '^(%d+):(%d+)$')
    owed, frac = at - clock, tonumber(f)
    if owed < 0 then
      owed, frac = 0, 0
    elseif owed > most or (owed == most and frac > mostfrac) then
      owed, frac = most, mostfrac
    end
  end
  answer[2 * i], answer[2 * i + 1] = owed, frac
  owed, frac = owed + cost, frac + costfrac
  if frac >= parts then
    owed, frac = owed + 1, frac - parts
  end
  if owed > most or (owed == most and frac > mostfrac) then
    answer[1] = 0
  end
  after[i] = {clock + owed, frac, cost > 0 or costfrac > 0}
end
if answer[1] == 1 then
  for i = 1, #KEYS do
    if after[i][3] then
      redis.call('SET', KEYS[i], string.format('%.0f:%.0f', after[i][1], after[i][2]),
        'PX', string.format('%.0f', math.max(0, math.ceil((after[i][1] - now) / 1000)) + 1))
    end
  end
end
return answer
`
