package load

import (
	"encoding/base64"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Histogram bounds: a microsecond is below any exchange over TCP, a minute above
// the timeout; three digits keep the percentiles within 0.1 %.
const (
	histMin    = int64(time.Microsecond)
	histMax    = int64(time.Minute)
	histDigits = 3
)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(histMin, histMax, histDigits) }

func summarize(h *hdrhistogram.Histogram) *Latency {
	if h.TotalCount() == 0 {
		return nil
	}
	at := func(q float64) time.Duration { return time.Duration(h.ValueAtQuantile(q)) }
	return &Latency{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: time.Duration(h.Max())}
}

// perDecade is how many points a curve has for each nine of the quantile.
const perDecade = 8

// curve takes points of a histogram: every tenth up to 0.9, and from there on evenly
// on the scale on which 0.9, 0.99 and 0.999 are equally far apart, as far as there are
// samples to tell points apart; at last the maximum.
func curve(h *hdrhistogram.Histogram) []Point {
	total := h.TotalCount()
	if total == 0 {
		return nil
	}
	var points []Point
	add := func(q float64) {
		value := h.ValueAtQuantile(100 * q)
		points = append(points, Point{Quantile: q, Value: time.Duration(value), Count: int64(math.Ceil(q * float64(total)))})
	}
	for tenth := range 9 {
		add(float64(tenth) / 10)
	}
	for i := 0; ; i++ {
		above := math.Pow(10, -1-float64(i)/perDecade)
		if above*float64(total) < 1 {
			break
		}
		add(1 - above)
	}
	return append(points, Point{Quantile: 1, Value: time.Duration(h.Max()), Count: total})
}

// encode writes a histogram in the form that other HdrHistogram tools read; empty if
// there is nothing in it.
func encode(h *hdrhistogram.Histogram) string {
	if h.TotalCount() == 0 {
		return ""
	}
	text, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return "" // it cannot fail in memory
	}
	if _, err := base64.StdEncoding.DecodeString(string(text)); err == nil {
		return string(text)
	}
	return base64.StdEncoding.EncodeToString(text)
}

// maxBuckets bounds a timeline: five minutes.
const maxBuckets = 3000

// timeline is the window in buckets. What happens outside of it, or beyond its last
// bucket, goes into the spare one.
type timeline struct {
	from    int64
	buckets []Bucket
	spare   Bucket
}

func newTimeline(from int64, window time.Duration) timeline {
	n := min(int64(window+BucketWidth-1)/int64(BucketWidth), maxBuckets)
	return timeline{from: from, buckets: make([]Bucket, n)}
}

// at is the bucket of a time.
func (t *timeline) at(now int64) *Bucket {
	if i := (now - t.from) / int64(BucketWidth); now >= t.from && i < int64(len(t.buckets)) {
		return &t.buckets[i]
	}
	return &t.spare
}

// add counts an answer.
func (b *Bucket) add(took int64) {
	b.Answers++
	b.Max = max(b.Max, time.Duration(took))
}
