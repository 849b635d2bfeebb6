package engine

import (
	"testing"

	"sluice/configs"
	"sluice/engine/sock"
	"sluice/internal/assert"
)

// Workers are there when somebody speaks TLS, as many as there are loops, or as the user says.
func TestWorkerCount(t *testing.T) {
	t.Parallel()
	plain := &configs.Config{
		Listeners: []configs.Listener{{}}, Upstreams: []configs.Upstream{{}}, Runtime: configs.Runtime{Loops: 3, Workers: 5},
	}
	assert.Equal(t, workerCount(plain), 0)
	front := *plain
	front.Listeners = []configs.Listener{{}, {TLS: new(configs.TLS)}}
	assert.Equal(t, workerCount(&front), 5)
	back := *plain
	back.Upstreams, back.Runtime.Workers = []configs.Upstream{{TLS: new(configs.UpstreamTLS)}}, 0
	assert.Equal(t, workerCount(&back), 3)
}

// A proxy without TLS has no workers and needs no place for them; another has one pool for all loops.
func TestHandshakesAreThereWhereNeeded(t *testing.T) {
	t.Parallel()
	var net sock.Net
	none := startHandshakes(&configs.Config{})
	none.serve(&net)
	assert.Equal(t, []any{none.places(), net.Handshakes == nil}, []any{0, true})
	none.close()

	some := startHandshakes(&configs.Config{
		Listeners: []configs.Listener{{TLS: new(configs.TLS)}}, Runtime: configs.Runtime{Loops: 1, Workers: 2},
	})
	some.serve(&net)
	assert.Equal(t, []any{some.places(), net.Handshakes == some.pool}, []any{2, true})
	some.close()
}
