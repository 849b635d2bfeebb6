// p2c, the power of two choices: draw two different members at random by weight
// and take the one with fewer connections in use per weight. The fullest server
// is then only a log log n above the average, nearly as even as asking all of
// them, for the price of two draws; and loops that see slightly old counts do
// not all rush to the same emptiest server, as they would with least_conn.
//
// Among few servers two draws too often meet two bad ones: with two slow servers
// of four, in every sixth pick. Comparing all of them costs no more then.
// (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001.)

package lease

import "math/rand/v2"

// few is up to how many members all are compared.
const few = 4

type p2c struct{ random }

func planP2C(t tier, _ SetOptions) plan {
	p := &p2c{newRandom(t)}
	return func(*rand.PCG) Balancer { return p }
}

func (p *p2c) Pick(q *Query) *Backend {
	a := p.draw(-1, q)
	if a < 0 {
		return nil
	}
	if len(p.tier) <= few {
		return p.lightest(a, q)
	}
	b := p.draw(a, q)
	// A tie stays with the first draw, which alone is exactly weighted.
	if b >= 0 && p.tier[b].lighter(&p.tier[a]) {
		a = b
	}
	return p.tier[a].backend
}

// lightest compares all members, beginning with the one drawn, which wins ties.
func (p *p2c) lightest(drawn int, q *Query) *Backend {
	best := drawn
	for i := 1; i < len(p.tier); i++ {
		next := (drawn + i) % len(p.tier)
		if m := &p.tier[next]; m.lighter(&p.tier[best]) && m.usable(q) {
			best = next
		}
	}
	return p.tier[best].backend
}
