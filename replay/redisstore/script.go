package redisstore

// What the script answers. Zero is not among them, so that nothing empty is taken for yes.
const (
	answerStored = 1
	answerUsed   = 2
	answerPast   = 3
	answerSkew   = 4
)

// script is one use of KEYS[1], as one step.
//
// ARGV: our time, the skew allowed, the value's Until, when the key may be forgotten (all in
// milliseconds, the first and the last two since 1970), and random bytes that belong to this Use.
//
// A key whose value is those bytes was stored by this same Use: its reply was lost, and the
// client library sent the command again.
//
// The key is kept for the skew beyond Until: a replica whose clock is that much behind Redis's
// accepts the value for so long. SET with a PXAT that is over would store nothing and answer as
// if it had, so that Until is compared first.
const script = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if math.abs(now - tonumber(ARGV[1])) > tonumber(ARGV[2]) then return 4 end
if tonumber(ARGV[3]) <= now then return 3 end
local value = redis.call('SET', KEYS[1], ARGV[5], 'NX', 'GET', 'PXAT', ARGV[4])
if not value or value == ARGV[5] then return 1 end
return 2
`
