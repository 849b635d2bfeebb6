package stat

import (
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	name := regexp.MustCompile(`^sluice_[a-z]+(_[a-z]+)*$`)
	label := regexp.MustCompile(`^([a-z_]+="[a-z0-9_]+")?$`)
	seen := map[string]bool{}
	families := map[string]Row{}
	last := ""
	for id := range IDs() {
		row := id.Row()
		if !name.MatchString(row.Name) || !label.MatchString(row.Label) || !strings.HasSuffix(row.Help, ".") {
			t.Errorf("ID %d has an incomplete row %+v", id, row)
		}
		if strings.HasSuffix(row.Name, "_total") != (row.Kind == Counter) {
			t.Errorf("%s: a counter ends in _total, a gauge does not", row.Name)
		}
		if seen[row.Name+row.Label] {
			t.Errorf("%s{%s} is there twice", row.Name, row.Label)
		}
		seen[row.Name+row.Label] = true
		first, known := families[row.Name]
		if known && (row.Name != last || first.Help != row.Help || first.Kind != row.Kind || row.Label == "") {
			t.Errorf("%s: rows of one name must be neighbours with one help and distinct labels", row.Name)
		}
		families[row.Name], last = row, row.Name
	}
	if len(seen) != int(idCount) {
		t.Errorf("%d rows for %d IDs", len(seen), idCount)
	}
}

func TestHTTPAnswers(t *testing.T) {
	for status, want := range map[int]ID{
		0: HTTPAnswers1xx, 100: HTTPAnswers1xx, 199: HTTPAnswers1xx, 200: HTTPAnswers2xx, 304: HTTPAnswers3xx,
		499: HTTPAnswers4xx, 500: HTTPAnswers5xx, 599: HTTPAnswers5xx, 999: HTTPAnswers5xx,
	} {
		if got := HTTPAnswers(status); got != want {
			t.Errorf("status %d counts as %s, want %s", status, got.Row().Label, want.Row().Label)
		}
	}
}

func TestBlock(t *testing.T) {
	var a, b Block
	a.Inc(Accepted)
	a.Add(Accepted, 4)
	b.Inc(Accepted)
	a.Set(Turns, 7)
	a.Inc(Active)
	b.Dec(Active) // lowered on another loop than raised

	snapshot := a
	a.Inc(Accepted)
	total := Sum(snapshot, b)
	if total.Get(Accepted) != 6 || total.Get(Turns) != 7 || total.Get(Active) != 0 {
		t.Errorf("accepted %d, turns %d, active %d", total.Get(Accepted), total.Get(Turns), total.Get(Active))
	}
	if empty := Sum(); empty != (Block{}) {
		t.Error("the sum of nothing is not zero")
	}
}

func TestVector(t *testing.T) {
	v := NewVector(3)
	v.Inc(1)
	v.Add(2, 5)
	snapshot := v.Copy()
	v.Inc(1)
	if got := SumVectors(snapshot, v); !slices.Equal(got, Vector{0, 3, 10}) {
		t.Errorf("got %v", got)
	}
	if snapshot.Get(1) != 1 {
		t.Error("a copy changed with its original")
	}
	defer func() {
		if recover() == nil {
			t.Error("vectors of different lengths were added up")
		}
	}()
	SumVectors(v, NewVector(2))
}

// distributions cover the range with different shapes.
var distributions = map[string]func(*rand.Rand) time.Duration{
	"uniform": func(r *rand.Rand) time.Duration { return DurationMin + time.Duration(r.Int64N(int64(time.Second))) },
	"log uniform": func(r *rand.Rand) time.Duration {
		span := math.Log(float64(DurationMax) / float64(DurationMin))
		return time.Duration(float64(DurationMin) * math.Exp(r.Float64()*span))
	},
	"exponential": func(r *rand.Rand) time.Duration {
		return max(DurationMin, time.Duration(r.ExpFloat64()*float64(time.Millisecond)))
	},
	"constant": func(*rand.Rand) time.Duration { return 123_456 },
}

func TestQuantilesAgainstExact(t *testing.T) {
	for name, draw := range distributions {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			parts := [2]Histogram{}
			exact := make([]time.Duration, 20_000)
			var sum time.Duration
			for i := range exact {
				exact[i] = min(draw(r), DurationMax)
				sum += exact[i]
				parts[i%2].Record(exact[i])
			}
			slices.Sort(exact)
			var h Histogram
			h.Merge(&parts[0])
			h.Merge(&parts[1])
			h.Merge(&Histogram{})
			if h.Count() != uint64(len(exact)) || h.Sum() != sum || h.Max() != exact[len(exact)-1] {
				t.Errorf("count %d, sum %v (want %v), max %v", h.Count(), h.Sum(), sum, h.Max())
			}
			for _, q := range []float64{-1, 0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1, 2} {
				rank := max(int(math.Ceil(min(max(q, 0), 1)*float64(len(exact)))), 1)
				want, got := exact[rank-1], h.Quantile(q)
				if diff := math.Abs(float64(got-want)) / float64(want); diff > 0.016 {
					t.Errorf("quantile %v: got %v, want %v, off by %.2f %%", q, got, want, 100*diff)
				}
			}
		})
	}
}

func TestHistogramClamps(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 || h.Max() != 0 {
		t.Error("an empty histogram has quantiles")
	}
	for _, d := range []time.Duration{-time.Hour, 0, 1, 24 * time.Hour, math.MaxInt64} {
		h.Record(d)
	}
	if h.Quantile(0) != DurationMin || h.Quantile(1) != DurationMax || h.Count() != 5 {
		t.Errorf("from %v to %v, %d values", h.Quantile(0), h.Quantile(1), h.Count())
	}
}

// Every bucket must start where the one before it ends, or values near a power of two
// would be filed wrongly.
func TestBucketsAreContiguous(t *testing.T) {
	for i := range buckets - 1 {
		octave := i>>partBits + octaveMin
		width := int64(1) << (octave - partBits)
		lower := middle(i) - width/2
		if bucket(lower) != i || bucket(lower+width-1) != i || bucket(lower+width) != i+1 {
			t.Fatalf("bucket %d does not hold exactly [%d, %d)", i, lower, lower+width)
		}
	}
}

func TestNothingAllocates(t *testing.T) {
	var h Histogram
	var b Block
	v := NewVector(4)
	if n := testing.AllocsPerRun(100, func() {
		h.Record(time.Millisecond)
		b.Inc(Accepted)
		b.Inc(HTTPAnswers(200))
		v.Inc(3)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	var h Histogram
	for i := range b.N {
		h.Record(time.Duration(i))
	}
}
