//go:build !race

package mtls_test

const raceEnabled = false
