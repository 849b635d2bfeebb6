package report

import (
	"fmt"
	"math"
	"time"
)

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// number shows three significant digits, or whole numbers from 100 on.
func number(v float64, n int) string {
	switch {
	case n == 0:
		return none
	case math.Abs(v) >= 100 || v == math.Trunc(v):
		return grouped(int64(math.Round(v)))
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1 || v == 0:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// grouped writes thousands with commas.
func grouped(v int64) string {
	if v < 0 {
		return "-" + grouped(-v)
	}
	text := fmt.Sprint(v)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// rangeText shows from where to where the values went.
func rangeText(s spread) string {
	if s.n == 0 {
		return none
	}
	return number(s.low, s.n) + " – " + number(s.high, s.n)
}

// ratioText shows the median of ratios and their range.
func ratioText(s spread) string {
	if s.n == 0 {
		return none
	}
	return fmt.Sprintf("%.2f (%.2f – %.2f)", s.median, s.low, s.high)
}
