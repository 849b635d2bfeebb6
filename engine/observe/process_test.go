package observe

import (
	"os"
	"runtime"
	"testing"

	"sluice/internal/assert"
)

// Descriptors are counted one by one; the rest is at least plausible.
func TestProcessNumbers(t *testing.T) {
	const more = 10
	assert.Eventually(t, func() bool { // sockets of tests before this one may be closed meanwhile
		before := openFiles()
		for range more {
			file, err := os.Open(os.DevNull)
			assert.NoError(t, err)
			t.Cleanup(func() { _ = file.Close() })
		}
		return openFiles()-before == more
	})
	runtime.GC()
	p := readProcess()
	const small = 1 << 20
	if p.resident < small || p.resident < p.heap || p.heap == 0 || p.cpu <= 0 || p.goroutines < 2 || p.gc.NumGC == 0 || p.open < more || p.max < p.open {
		t.Errorf("%+v", p)
	}
}
