package report

import (
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"sluice/bench/scenarios"
)

// microsPerMilli: latencies are metrics in milliseconds, their axes are in microseconds.
const microsPerMilli = 1000

// balancePicture sets latency against throughput: a large dot a row, a small one each of
// its rounds. A panel is a percentile that has a target, and dashed lines are the targets:
// what keeps both is in the lower right.
func (s *Section) balancePicture() []picture {
	var across scenarios.Metric
	var up []scenarios.Metric
	for _, m := range s.Scenario.Metrics {
		switch {
		case m.More:
			across = m
		case len(m.Limits) > 0 && m.Unit == "ms":
			up = append(up, m)
		}
	}
	if across.Of == nil || len(up) == 0 || len(s.measured()) == 0 {
		return nil
	}
	var panels []*plot.Plot
	var names []string
	for _, m := range up {
		panels, names = append(panels, s.balancePanel(across, m)), append(names, m.Name)
	}
	return []picture{{
		name: s.Name + "-throughput", section: s.Name,
		caption: fmt.Sprintf("Latency (%s) over throughput in %s: lower and further to the right is better; dashed lines are the targets",
			strings.Join(names, ", "), s.Name),
		width: vg.Points(430 * float64(len(panels))), height: vg.Points(340), draw: tiles([][]*plot.Plot{panels}),
	}}
}

// balancePanel is one percentile.
func (s *Section) balancePanel(across, up scenarios.Metric) *plot.Plot {
	p := newPlot(up.Name+" latency over throughput", across.Unit, up.Name+" latency")
	grid(p)
	low, high, far := math.Inf(1), 0.0, 0.0
	for place, one := range s.measured() {
		rates, times := one.numbers(across.Of), one.numbers(up.Of)
		dots := make(plotter.XYs, 0, len(rates))
		for i := range rates {
			at := plotter.XY{X: rates[i], Y: max(1, times[i]*microsPerMilli)}
			dots = append(dots, at)
			low, high, far = min(low, at.Y), max(high, at.Y), max(far, at.X)
		}
		middle := plotter.XYs{{X: newSpread(rates).median, Y: max(1, newSpread(times).median*microsPerMilli)}}
		if len(dots) > 1 {
			one.scatter(p, place, dots, vg.Points(1.3))
		}
		p.Legend.Add(one.Title(), one.scatter(p, place, middle, vg.Points(4)))
	}
	logarithmic(&p.Y, low, high)
	p.X.Min, p.X.Max, p.X.Tick.Marker = 0, far*1.1, countTicks{6}
	p.Legend.Top, p.Legend.Left = false, true // taking turns is in the upper left
	if x, found := s.bound(across); found && x < p.X.Max {
		rule(p, plotter.XY{X: x, Y: p.Y.Min}, plotter.XY{X: x, Y: p.Y.Max})
	}
	if y, found := s.bound(up); found && y*microsPerMilli < p.Y.Max {
		rule(p, plotter.XY{X: 0, Y: y * microsPerMilli}, plotter.XY{X: p.X.Max, Y: y * microsPerMilli})
	}
	return p
}

// scatter adds dots of a row; a ring stands for one that is there to be compared with.
func (s *Series) scatter(p *plot.Plot, place int, at plotter.XYs, radius vg.Length) *plotter.Scatter {
	dots := &plotter.Scatter{XYs: at, GlyphStyle: draw.GlyphStyle{Color: s.colour(place), Radius: radius, Shape: draw.CircleGlyph{}}}
	if s.Variant != "" {
		dots.Shape = draw.RingGlyph{}
	}
	p.Add(dots)
	return dots
}

// bound is the number that a target beside another row asks for; none beside nothing.
func (s *Section) bound(m scenarios.Metric) (float64, bool) {
	for _, l := range m.Limits {
		if v := s.ours(l.Beside).values(m); l.Row != "" && v.median > 0 {
			return v.median * max(l.AtMost, l.AtLeast), true
		}
	}
	return 0, false
}
