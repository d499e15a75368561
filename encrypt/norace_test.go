//go:build !race

package encrypt_test

const raceDetector = false
