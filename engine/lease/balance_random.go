// random draws a member with a probability proportional to its weight, in
// constant time, by Vose's alias method: as many columns as members, all of the
// same height, each filled with its own member up to a mark and with one other,
// the alias, above it. One random number chooses column and height at once.
//
// Example, weights 3 and 1 (a column is 2 high): column a is all a; column b is
// b up to 1 and a above.

package lease

import (
	"math/bits"
	"math/rand/v2"

	"sluice/engine/key"
)

// redraws is how many draws may hit unusable members before the tier is scanned
// instead: with half of all servers down that is one Pick in 256.
const redraws = 8

type random struct {
	tier
	columns []column
}

func newRandom(t tier) random { return random{t, aliasTable(t.weights())} }

func planRandom(t tier, _ SetOptions) plan {
	r := newRandom(t)
	return func(*rand.PCG) Balancer { return &r }
}

func (r *random) Pick(q *Query) *Backend {
	if i := r.draw(-1, q); i >= 0 {
		return r.tier[i].backend
	}
	return nil
}

// draw returns the index of a random usable member other than except, or -1 if
// there is none.
func (r *random) draw(except int, q *Query) int {
	for range redraws {
		if i := drawColumn(r.columns, q.rng.Uint64()); i != except && r.tier[i].usable(q) {
			return i
		}
	}
	i := r.next(key.Below(q.rng.Uint64(), len(r.tier)), q)
	if i >= 0 && i == except {
		i = r.next((i+1)%len(r.tier), q)
	}
	if i == except {
		return -1
	}
	return i
}

// column is its own member up to mark, in fractions of 2^64, and alias above.
type column struct {
	mark  uint64
	alias int32
}

// drawColumn uses the high word of a product for the column and the low word,
// what is left of the random number, for the height.
func drawColumn(columns []column, x uint64) int {
	i, height := bits.Mul64(x, uint64(len(columns)))
	if c := &columns[i]; height >= c.mark {
		return int(c.alias)
	}
	return int(i)
}

// aliasTable builds the columns in integers: a member's mass is its weight
// times the number of columns, a column's height is the total weight.
func aliasTable(weights []int) []column {
	n, total := len(weights), 0
	for _, w := range weights {
		total += w
	}
	mass := make([]uint64, n)
	columns := make([]column, n)
	var poor, rich []int32 // less than a column's height left, and at least it
	for i, w := range weights {
		mass[i] = uint64(w) * uint64(n)
		columns[i].alias = int32(i) // alone in its column unless told otherwise
		if mass[i] < uint64(total) {
			poor = append(poor, int32(i))
		} else {
			rich = append(rich, int32(i))
		}
	}
	// Masses are exact and average to the height: whenever one is poor, one is rich.
	for len(poor) > 0 {
		p, r := poor[len(poor)-1], rich[len(rich)-1]
		poor = poor[:len(poor)-1]
		mark, _ := bits.Div64(mass[p], 0, uint64(total))
		columns[p] = column{mark: mark, alias: r}
		mass[r] -= uint64(total) - mass[p]
		if mass[r] < uint64(total) {
			rich = rich[:len(rich)-1]
			poor = append(poor, r)
		}
	}
	return columns
}
