//go:build race || poison

package pool

// Poison says that released memory is overwritten with 0xDB and checked before it is handed out
// again, so that use after release shows in tests. It is on under the race detector and with the
// build tag poison, and costs nothing elsewhere: it is a constant.
const Poison = true
