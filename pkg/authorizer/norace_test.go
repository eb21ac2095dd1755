//go:build !race

package authorizer

// raceDetector tells that the race detector, which allocates on its own, is built in.
const raceDetector = false
