package lease

import (
	"testing"

	"sluice/internal/assert"
)

func TestLeaseStateTableIsExhaustive(t *testing.T) {
	t.Parallel()
	assert.Moves(t, "lease", [][]leaseState{
		idle:     {picking},
		picking:  {queued, clearing, dialing, handing, over},
		queued:   {picking, over},
		clearing: {picking, over},
		dialing:  {picking, securing, handing, over},
		securing: {picking, handing, over},
		handing:  {over},
		over:     {},
	}, func(from leaseState) (func(leaseState), *leaseState) {
		l := &Lease{state: from}
		return l.set, &l.state
	})
}
