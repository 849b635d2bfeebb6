package lease

import (
	"testing"

	"sluice/internal/assert"
)

func TestLeaseStateTableIsExhaustive(t *testing.T) {
	t.Parallel()
	allowed := map[[2]leaseState]bool{
		{idle, picking}: true, {picking, dialing}: true, {picking, over}: true, {dialing, picking}: true, {dialing, over}: true,
		{dialing, handing}: true, {picking, handing}: true, {handing, over}: true,
		{picking, queued}: true, {queued, picking}: true, {queued, over}: true,
		{dialing, securing}: true, {securing, picking}: true, {securing, handing}: true, {securing, over}: true,
		{picking, clearing}: true, {clearing, picking}: true, {clearing, over}: true,
	}
	for from := range leaseStates {
		for to := range leaseStates {
			l := Lease{state: from}
			if allowed[[2]leaseState{from, to}] {
				l.set(to)
				assert.Equal(t, l.state, to)
				continue
			}
			assert.Panics(t, "lease: "+from.String()+" → "+to.String(), func() { l.set(to) })
		}
	}
}
