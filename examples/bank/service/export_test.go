package service

// ParsePayment is the parser of bodies, and ValidPayment the judge of what it gives.
var ParsePayment = parsePayment

// ValidPayment tells whether a payment's values are good.
func ValidPayment(p Payment) bool { return p.valid() }
