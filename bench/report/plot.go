package report

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"sluice/bench/rivals"
)

// How all pictures look: sans serif, a light ground, pale lines, colours that people
// with any kind of colour vision can tell apart (after Okabe and Ito). A tuned proxy
// has bars of a lighter tone, and dashed lines; so have rows that are there to be compared with.

const (
	titleSize = vg.Length(11)
	textSize  = vg.Length(9)
	lineWidth = vg.Length(1.8)
)

var (
	ink      = color.RGBA{0x33, 0x33, 0x33, 0xff}
	pale     = color.RGBA{0xe4, 0xe4, 0xe4, 0xff}
	alarm    = color.RGBA{0xb0, 0x00, 0x20, 0xff}
	dashes   = []vg.Length{vg.Points(5), vg.Points(2.5)}
	markDash = []vg.Length{vg.Points(2), vg.Points(2)}
	palette  = map[string]color.RGBA{
		"sluice": {0x00, 0x72, 0xb2, 0xff}, "sluice p2c": {0x00, 0x72, 0xb2, 0xff}, "sluice base": {0x56, 0xb4, 0xe9, 0xff},
		"sluice round_robin": {0x56, 0xb4, 0xe9, 0xff}, "sluice least_conn": {0xcc, 0x79, 0xa7, 0xff}, "sluice least_time": {0x55, 0x55, 0x55, 0xff},
		"sluice p2c healthy": {0x11, 0x11, 0x11, 0xff}, "sluice checked": {0x56, 0xb4, 0xe9, 0xff},
		"nginx": {0x00, 0x9e, 0x73, 0xff}, "nginx least_conn": {0x00, 0x9e, 0x73, 0xff}, "nginx tuned": {0x8c, 0xd3, 0xbf, 0xff},
		"haproxy": {0xd5, 0x5e, 0x00, 0xff}, "haproxy leastconn": {0xd5, 0x5e, 0x00, 0xff}, "haproxy tuned": {0xf2, 0xb0, 0x7c, 0xff},
	}
	// others are for proxies that somebody has named.
	others = []color.RGBA{{0x88, 0x22, 0x55, 0xff}, {0x99, 0x99, 0x33, 0xff}, {0x33, 0x22, 0x88, 0xff}}
)

// colour of a series; place is which of its section it is.
func (s *Series) colour(place int) color.RGBA {
	if c, ok := palette[s.Title()]; ok {
		return c
	}
	return others[place%len(others)]
}

// stroke is how its lines are drawn.
func (s *Series) stroke(place int) draw.LineStyle {
	style := draw.LineStyle{Color: s.colour(place), Width: lineWidth}
	if s.Setting == rivals.Tuned {
		style.Color, style.Dashes = palette[s.Proxy], dashes // a pale line is hard to see
	}
	if s.Variant != "" {
		style.Dashes = dashes
	}
	return style
}

// newPlot is an empty one in our style.
func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding = vg.Points(6)
	p.X.Padding, p.Y.Padding = vg.Points(3), vg.Points(3)
	set(&p.Title.TextStyle.Font, titleSize)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		set(&axis.Label.TextStyle.Font, textSize)
		set(&axis.Tick.Label.Font, textSize)
		axis.Label.TextStyle.Color, axis.Tick.Label.Color, axis.LineStyle.Color = ink, ink, ink
		axis.Tick.LineStyle.Color, axis.Tick.Length = ink, vg.Points(5)
	}
	set(&p.Legend.TextStyle.Font, textSize)
	p.Legend.Top, p.Legend.Padding, p.Legend.ThumbnailWidth = true, vg.Points(3), vg.Points(24)
	return p
}

func set(f *font.Font, size vg.Length) {
	*f = font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
}

// grid puts pale lines behind.
func grid(p *plot.Plot) {
	g := plotter.NewGrid()
	g.Vertical.Color, g.Horizontal.Color = pale, pale
	p.Add(g)
}

// rule draws a thin dashed line from one corner to the other.
func rule(p *plot.Plot, from, to plotter.XY) {
	if line, err := plotter.NewLine(plotter.XYs{from, to}); err == nil {
		line.LineStyle = draw.LineStyle{Color: ink, Width: vg.Points(0.8), Dashes: markDash}
		p.Add(line)
	}
}

// tiles draws rows of plots whose axes are in line.
func tiles(rows [][]*plot.Plot) func(draw.Canvas) {
	return func(c draw.Canvas) {
		c.SetColor(color.White)
		c.Fill(c.Rectangle.Path())
		layout := draw.Tiles{
			Rows: len(rows), Cols: len(rows[0]), PadX: vg.Points(18), PadY: vg.Points(16),
			PadTop: vg.Points(8), PadBottom: vg.Points(8), PadLeft: vg.Points(8), PadRight: vg.Points(14),
		}
		for _, row := range rows {
			for _, p := range row {
				if p != nil {
					p.Y.Tick.Marker = spaced{p.Y.Tick.Marker}
				}
			}
		}
		for i, row := range plot.Align(rows, layout, c) {
			for j, part := range row {
				if rows[i][j] != nil {
					rows[i][j].Draw(part)
				}
			}
		}
	}
}

// spaced keeps the labels of a vertical axis off its ticks.
type spaced struct{ plot.Ticker }

// Ticks implements plot.Ticker.
func (s spaced) Ticks(low, high float64) []plot.Tick {
	ticks := slices.Clone(s.Ticker.Ticks(low, high))
	for i := range ticks {
		if ticks[i].Label != "" {
			ticks[i].Label += " "
		}
	}
	return ticks
}

// durationTicks label a logarithmic axis of microseconds by powers of ten.
type durationTicks struct{}

// Ticks implements plot.Ticker.
func (durationTicks) Ticks(low, high float64) (ticks []plot.Tick) {
	for power := math.Floor(math.Log10(low)); power <= math.Ceil(math.Log10(high)); power++ {
		for step := 1.0; step < 10; step++ {
			at := step * math.Pow(10, power)
			if at < low*0.999 || at > high*1.001 {
				continue
			}
			tick := plot.Tick{Value: at}
			if step == 1 || high/low < 100 && (step == 2 || step == 5) {
				tick.Label = microText(at)
			}
			ticks = append(ticks, tick)
		}
	}
	return ticks
}

// microText shows a number of microseconds in the unit that fits.
func microText(us float64) string {
	text := func(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }
	switch {
	case us >= 1e6:
		return text(us/1e6) + " s"
	case us >= 1e3:
		return text(us/1e3) + " ms"
	}
	return text(us) + " µs"
}

// logarithmic makes an axis of durations in microseconds so, with whole decades at
// least in part.
func logarithmic(a *plot.Axis, low, high float64) {
	a.Scale, a.Tick.Marker = plot.LogScale{}, durationTicks{}
	a.Min, a.Max = low*0.8, high*1.25
}

// countTicks label a linear axis in few round numbers: 20k, 1.5M.
type countTicks struct{ n int }

// Ticks implements plot.Ticker.
func (c countTicks) Ticks(low, high float64) (ticks []plot.Tick) {
	step := niceStep((high - low) / float64(c.n))
	for at := math.Ceil(low/step) * step; at <= high*1.0001; at += step {
		ticks = append(ticks, plot.Tick{Value: at, Label: countShort(at)})
	}
	return ticks
}

// niceStep rounds up to 1, 2 or 5 times a power of ten.
func niceStep(rough float64) float64 {
	if rough <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, nice := range []float64{1, 2, 5} {
		if rough <= nice*power {
			return nice * power
		}
	}
	return 10 * power
}

func countShort(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%gk", v/1e3)
	}
	return fmt.Sprintf("%g", math.Round(v*100)/100)
}
