//go:build race

package rotation_test

// raceDetector tells that these tests run under it.
const raceDetector = true
