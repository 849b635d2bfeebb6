package engine

import (
	"testing"

	"sluice/configs"
	"sluice/engine/sock"
	"sluice/internal/assert"
)

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
