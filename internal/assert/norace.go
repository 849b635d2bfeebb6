//go:build !race

package assert

// RaceEnabled says that the test was built with the race detector.
const RaceEnabled = false
