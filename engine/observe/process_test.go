package observe

import (
	"os"
	"runtime"
	"testing"

	"sluice/internal/assert"
)

// Descriptors are counted one by one; the rest is at least plausible.
func TestProcessNumbers(t *testing.T) {
	before := openFiles()
	const more = 10
	for range more {
		file, err := os.Open(os.DevNull)
		assert.NoError(t, err)
		defer file.Close()
	}
	if got := openFiles() - before; got != more {
		t.Errorf("%d more descriptors, want %d", got, more)
	}
	runtime.GC()
	p := readProcess()
	const small = 1 << 20
	if p.resident < small || p.resident < p.heap || p.heap == 0 || p.cpu <= 0 || p.goroutines < 2 || p.gc.NumGC == 0 || p.open < more || p.max < p.open {
		t.Errorf("%+v", p)
	}
}
