package redisstore

// SlotOf is the hash slot of a hash tag.
var SlotOf = slotOf

// MaxBatch is how many calls a batch has at most.
const MaxBatch = maxBatch

// RawAnswer reads an answer as the protocol has it.
func RawAnswer(answer, once []byte) (stored, same bool, err error) {
	a := rawAnswer(answer, nil, once)
	return a.stored, a.same, a.failure
}
