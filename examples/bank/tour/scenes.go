package tour

import "slices"

// scene is one thing that somebody tries.
type scene struct {
	title string
	plain string // what it is about, in one sentence without jargon
	play  func(*world) []step
}

// scenes gives the tour in its order.
func scenes() []scene {
	return slices.Concat(honest(), stolenTokens(), behindProxy(), stolenProofs(), badTokens(), agreements(), tooMuch(), sealedFields(), operations())
}
