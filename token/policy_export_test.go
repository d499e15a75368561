package token

// What fuzzing needs of the readers behind policies.
var (
	ReadDetails = readDetails
	SameAmount  = sameAmount
	IsAmount    = func(s string) bool { _, _, ok := decimal(s); return ok }
)
