package report

import (
	"math"
	"slices"
)

// Two runs are compared by ranks, which assumes nothing about how the rounds of a run
// are spread: neither a bell curve nor the absence of a round in which the machine was
// busy elsewhere. The estimate is the median of all ratios of a round of one run to a
// round of the other (Hodges and Lehmann); its interval are those ratios that the
// rank-sum test of Mann, Whitney and Wilcoxon cannot tell from the truth. Both are
// exact for any number of rounds, and with too few of them there is no interval.

// confidence is that of an interval. A run has dozens of rows, and with 95 % some of
// them would seem to change each time.
const confidence = 0.99

// ratioInterval is how much larger the second numbers are than the first: the ratio
// and, if ok, its interval. All numbers must be positive.
func ratioInterval(first, second []float64) (ratio, low, high float64, ok bool) {
	var all []float64
	for _, a := range first {
		for _, b := range second {
			all = append(all, b/a)
		}
	}
	if len(all) == 0 {
		return 0, 0, 0, false
	}
	slices.Sort(all)
	ratio = newSpread(all).median
	cut := rankCut(len(first), len(second), (1-confidence)/2)
	if cut == 0 {
		return ratio, 0, 0, false
	}
	return ratio, all[cut-1], all[len(all)-cut], true
}

// rankCut is how many of the n×m ratios, sorted, may be left out at either end: the
// largest k for which chance gives the rank sum a value below k with a probability of
// at most tail. 0 = there are too few numbers to say anything.
func rankCut(n, m int, tail float64) int {
	ways := rankWays(n, m)
	total := 0.0
	for _, w := range ways {
		total += w
	}
	sum := 0.0
	for k, w := range ways {
		if sum += w; sum/total > tail {
			return k
		}
	}
	return 0
}

// rankWays counts in how many ways n and m numbers can be mixed so that the statistic
// is u, for each u: the coefficients of the Gaussian binomial.
func rankWays(n, m int) []float64 {
	ways := make([]float64, n*m+1)
	ways[0] = 1
	for i := 1; i <= n; i++ {
		// multiply by 1 - x^(m+i), divide by 1 - x^i
		for u := len(ways) - 1; u >= m+i; u-- {
			ways[u] -= ways[u-m-i]
		}
		for u := i; u < len(ways); u++ {
			ways[u] += ways[u-i]
		}
	}
	return ways
}

// geometricMean of positive numbers.
func geometricMean(all []float64) float64 {
	sum := 0.0
	for _, v := range all {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(all)))
}
