// Package actors plays everybody round the bank: the authority that issues certificates, the authorization server
// that issues tokens, and the clients that make proofs, honest or not. It is for the tour and the tests.
//
// What only a broken machine could make fail, such as making a key, panics.
package actors

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
