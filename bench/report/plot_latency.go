package report

import (
	"fmt"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"sluice/bench/load"
	"sluice/bench/scenarios"
)

// latencyPicture draws latency over the percentile, as far out as there were requests.
// The requests of all valid rounds are taken together.
func (s *Section) latencyPicture() []picture {
	p := newPlot(s.Name+": latency by percentile", "percentile of the requests", "latency")
	grid(p)
	low, high, far := math.Inf(1), 0.0, 0.0
	for place, one := range s.measured() {
		curve := one.merged()
		if curve == nil {
			continue
		}
		points := quantiles(curve)
		line, err := plotter.NewLine(points)
		if err != nil {
			continue
		}
		line.LineStyle = one.stroke(place)
		p.Add(line)
		p.Legend.Add(one.Title(), line)
		low, high = min(low, points[0].Y), max(high, points[len(points)-1].Y)
		far = max(far, points[len(points)-1].X)
	}
	if high == 0 {
		return nil
	}
	logarithmic(&p.Y, low, high)
	p.X.Min, p.X.Max, p.X.Tick.Marker = 0, far, percentTicks(far)
	p.Legend.Left = true
	if len(s.Scenario.Variants) > 0 { // there are lines everywhere: the names get room of their own
		p.X.Max, p.Legend.XOffs = far*1.32, vg.Points(440)
	}
	return []picture{{
		name: s.Name + "-latency", section: s.Name, caption: "Latency percentiles in " + s.Name + ": lower is better",
		width: vg.Points(620), height: vg.Points(340), draw: tiles([][]*plot.Plot{{p}}),
	}}
}

// merged takes the latencies of all rounds that count together; nil if there are none.
func (s *Series) merged() *hdrhistogram.Histogram {
	var sum *hdrhistogram.Histogram
	for i := range s.Rounds {
		if !s.Rounds[i].OK() {
			continue
		}
		switch h := scenarios.Histogram(s.Rounds[i].Result); {
		case h == nil:
		case sum == nil:
			sum = h
		default:
			sum.Merge(h)
		}
	}
	if sum == nil || sum.TotalCount() == 0 {
		return nil
	}
	return sum
}

// quantiles are points of the curve: across, how many nines; up, microseconds.
func quantiles(h *hdrhistogram.Histogram) (points plotter.XYs) {
	const step = 0.04
	far := math.Log10(float64(h.TotalCount()))
	for x := 0.0; x < far; x += step {
		at := h.ValueAtQuantile(100 * (1 - math.Pow(10, -x)))
		points = append(points, plotter.XY{X: x, Y: max(1, float64(at)/float64(time.Microsecond))})
	}
	return append(points, plotter.XY{X: far, Y: float64(h.Max()) / float64(time.Microsecond)})
}

// percentTicks label how many nines a percentile has.
func percentTicks(far float64) plot.ConstantTicks {
	ticks := plot.ConstantTicks{{Value: 0, Label: "0 %"}, {Value: math.Log10(2), Label: "50 %"}}
	for nines := 1; float64(nines) <= far; nines++ {
		ticks = append(ticks, plot.Tick{Value: float64(nines), Label: fmt.Sprintf("%.*f %%", max(0, nines-2), 100*(1-math.Pow(10, -float64(nines))))})
	}
	return ticks
}

// ratePicture draws latency over throughput: each point is an open loop at one rate,
// the median of its valid rounds.
func (r *Report) ratePicture() []picture {
	panels := []*plot.Plot{r.ratePanel("p50", func(l *load.Latency) int64 { return int64(l.P50) }),
		r.ratePanel("p99", func(l *load.Latency) int64 { return int64(l.P99) })}
	if panels[0] == nil || panels[1] == nil {
		return nil
	}
	return []picture{{
		name: "throughput-latency", caption: "Latency over throughput, open loop: lower and further to the right is better",
		width: vg.Points(860), height: vg.Points(340), draw: tiles([][]*plot.Plot{panels}),
	}}
}

// ratePanel is one percentile; nil if there are not two rates to draw a line between.
func (r *Report) ratePanel(name string, of func(*load.Latency) int64) *plot.Plot {
	lines := map[string]plotter.XYs{}
	var order []*Series
	low, high := math.Inf(1), 0.0
	for i := range r.Sections {
		s := &r.Sections[i]
		if s.Scenario.Share == 0 {
			continue
		}
		for _, one := range s.measured() {
			rate := one.reduce(func(r *load.Result) float64 { return r.Units / r.Wall.Seconds() }).median
			at := one.reduce(latency(of)).median
			if lines[one.Title()] == nil {
				order = append(order, one)
			}
			lines[one.Title()] = append(lines[one.Title()], plotter.XY{X: rate, Y: at})
			low, high = min(low, at), max(high, at)
		}
	}
	p := newPlot(name+" latency over throughput", "requests per second", name+" latency")
	grid(p)
	drawn := 0
	for place, one := range order {
		drawn = max(drawn, len(lines[one.Title()]))
		line, dots, err := plotter.NewLinePoints(lines[one.Title()])
		if err != nil {
			continue
		}
		line.LineStyle = one.stroke(place)
		dots.GlyphStyle = draw.GlyphStyle{Color: one.colour(place), Radius: vg.Points(3), Shape: draw.CircleGlyph{}}
		p.Add(line, dots)
		p.Legend.Add(one.Title(), line, dots)
	}
	if drawn < 2 {
		return nil
	}
	logarithmic(&p.Y, low, high)
	p.X.Min, p.X.Tick.Marker, p.Legend.Left = 0, countTicks{6}, true
	return p
}
