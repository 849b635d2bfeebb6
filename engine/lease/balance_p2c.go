// p2c, the power of two choices: draw two different members at random by weight
// and take the one with fewer connections in use per weight. The fullest server
// is then only a log log n above the average, nearly as even as asking all of
// them, for the price of two draws; and loops that see slightly old counts do
// not all rush to the same emptiest server, as they would with least_conn.
// (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001.)

package lease

import "math/rand/v2"

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
	if len(p.tier) > 1 {
		b := p.draw(a, q)
		// A tie stays with the first draw, which alone is exactly weighted.
		if b >= 0 && p.tier[b].lighter(&p.tier[a]) {
			a = b
		}
	}
	return p.tier[a].backend
}
