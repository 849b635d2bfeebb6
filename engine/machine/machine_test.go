package machine

import (
	"runtime"
	"testing"

	"sluice/configs"
	"sluice/internal/assert"
)

func TestLoopCount(t *testing.T) {
	cfg := new(configs.Config)
	assert.Equal(t, Loops(cfg), min(runtime.GOMAXPROCS(0), maxLoops))
	cfg.Runtime.Loops = 7
	assert.Equal(t, Loops(cfg), 7)
}

// Workers are there when somebody speaks TLS, as many as there are loops, or as the user says.
func TestWorkerCount(t *testing.T) {
	t.Parallel()
	plain := &configs.Config{
		Listeners: []configs.Listener{{}}, Upstreams: []configs.Upstream{{}}, Runtime: configs.Runtime{Loops: 3, Workers: 5},
	}
	assert.Equal(t, Workers(plain), 0)
	front := *plain
	front.Listeners = []configs.Listener{{}, {TLS: new(configs.TLS)}}
	assert.Equal(t, Workers(&front), 5)
	back := *plain
	back.Upstreams, back.Runtime.Workers = []configs.Upstream{{TLS: new(configs.UpstreamTLS)}}, 0
	assert.Equal(t, Workers(&back), 3)
}

// max_connections: auto follows whichever of memory and descriptors is scarcer, and is never nothing.
func TestMaxConnections(t *testing.T) {
	t.Parallel()
	cfg := new(configs.Config)
	files := min(int64(descriptorLimit())*descriptorShare/100, int64(descriptorLimit())-ownDescriptors(cfg)) / 2
	for memory, want := range map[configs.Size]int64{
		1:                        1,
		10 * connectionMemory:    10,
		configs.Size(1) << 60:    files,
		100*connectionMemory - 1: 99,
	} {
		cfg.Runtime.Memory = memory
		assert.Equal(t, Connections(cfg), min(want, files))
	}
	cfg.Runtime.Memory = 0
	assert.Equal(t, memoryBudget(cfg) > 1<<20, true)
	assert.Equal(t, memoryBudget(cfg) <= availableMemory(), true)
}
