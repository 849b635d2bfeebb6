// Package turns precomputes in which order members of different weights are served, so that the turns of each are spread as
// evenly as can be: nginx's smooth weighted order.
//
// nginx finds each turn by adding every server's weight to its score, taking
// the highest score and subtracting the total from it: n steps a turn, 256
// million for a cycle of a thousand servers with large weights. But servers of
// equal weight are served strictly in turn, so one score for each distinct
// weight is enough.
package turns

import "slices"

// Max bounds a cycle to 1 MiB, enough for a thousand servers of any
// weights. Larger sets have their weights halved, rounding up, until they fit:
// their shares become coarser, but everyone keeps at least one turn.
const Max = 1 << 18

// peerGroup is the members of one weight. They share a score: all of them have
// had the same number of turns, but for those before next, which had one more.
type peerGroup struct {
	weight  int
	score   int // of the member whose turn is next
	next    int
	members []int32
}

// Cycle returns the order in which nginx would serve members of these
// weights until it repeats, with every weight divided by their common divisor.
func Cycle(weights []int) []int32 {
	weights, total := reduceWeights(weights)
	groups := groupByWeight(weights)
	cycle := make([]int32, total)
	for turn := range cycle {
		best := &groups[0]
		for i := range groups {
			g := &groups[i]
			g.score += g.weight
			if g.score > best.score || g.score == best.score && g.members[g.next] < best.members[best.next] {
				best = g
			}
		}
		cycle[turn] = best.members[best.next]
		if best.next++; best.next == len(best.members) {
			best.next = 0
			best.score -= total
		}
	}
	return cycle
}

func groupByWeight(weights []int) []peerGroup {
	var groups []peerGroup
	at := map[int]int{}
	for i, w := range weights {
		g, ok := at[w]
		if !ok {
			g = len(groups)
			at[w] = g
			groups = append(groups, peerGroup{weight: w})
		}
		groups[g].members = append(groups[g].members, int32(i))
	}
	return groups
}

// reduceWeights returns the weights in lowest terms, or lower to fit Max,
// and their sum. No weight may be 0.
func reduceWeights(weights []int) (reduced []int, total int) {
	divisor := 0
	for _, w := range weights {
		divisor = gcd(divisor, w)
	}
	reduced = slices.Clone(weights)
	for i := range reduced {
		reduced[i] /= divisor
		total += reduced[i]
	}
	for total > Max && total > len(reduced) {
		total = 0
		for i, w := range reduced {
			reduced[i] = (w + 1) / 2
			total += reduced[i]
		}
	}
	return reduced, total
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
