package redisstore

// SlotOf is the hash slot of a hash tag.
var SlotOf = slotOf

// MaxBatch is how many calls a batch has at most.
const MaxBatch = maxBatch
