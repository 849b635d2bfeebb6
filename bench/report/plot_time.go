package report

import (
	"fmt"
	"math"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"sluice/bench/load"
)

// lane is one thing that is followed through the window.
type lane struct {
	title string
	// of is the number of a bucket; 0 is no number on a logarithmic lane.
	of  func(load.Bucket) float64
	low float64 // of the axis' upper end, at least
	log bool    // microseconds
}

var lanes = []lane{
	{title: "answers per second", of: func(b load.Bucket) float64 { return perSecond(b.Answers) }},
	{title: "failed per second", of: func(b load.Bucket) float64 { return perSecond(b.Errors) }, low: 10},
	{title: "longest answer", of: func(b load.Bucket) float64 { return microseconds(b.Max) }, log: true},
}

func perSecond(n int64) float64 { return float64(n) * float64(time.Second) / float64(load.BucketWidth) }

// timePicture follows one round of each proxy through the window: a row a proxy, all
// on the same scales. The round is the first that counts.
func (s *Section) timePicture() []picture {
	var rows [][]*plot.Plot
	var drawn []*Series
	var rounds []*Round
	for _, one := range s.measured() {
		for i := range one.Rounds {
			if one.Rounds[i].OK() && len(one.Rounds[i].Result.Buckets) > 1 {
				drawn, rounds = append(drawn, one), append(rounds, &one.Rounds[i])
				break
			}
		}
	}
	if len(drawn) == 0 {
		return nil
	}
	for i, one := range drawn {
		row := make([]*plot.Plot, len(lanes))
		for j, l := range lanes {
			row[j] = l.plot(rounds[i], rounds)
			style := one.stroke(i)
			if j == 1 {
				style.Color = alarm
			}
			l.draw(row[j], rounds[i], style)
			row[j].Title.Text = one.Title() + ": " + l.title
			if i == len(drawn)-1 {
				row[j].X.Label.Text = "seconds"
			}
		}
		rows = append(rows, row)
	}
	return []picture{{
		name: s.Name + "-time", section: s.Name, caption: fmt.Sprintf("%s, tenth of a second by tenth of a second; dashed lines: %s", s.Name, doings(rounds)),
		width: vg.Points(900), height: vg.Points(130*float64(len(rows)) + 30), draw: tiles(rows),
	}}
}

// doings names what the dashed lines mean.
func doings(rounds []*Round) string {
	text := "nothing"
	for i, m := range rounds[0].Marks {
		if i == 0 {
			text = m.What
		} else {
			text += ", " + m.What
		}
	}
	return text
}

// plot is an empty panel with the axes that all rounds share, and the marks of one.
func (l lane) plot(r *Round, all []*Round) *plot.Plot {
	p := newPlot("", "", "")
	grid(p)
	low, high, far := math.Inf(1), l.low, 0.0
	for _, one := range all {
		far = max(far, float64(len(one.Result.Buckets))*load.BucketWidth.Seconds())
		for _, b := range one.Result.Buckets {
			if v := l.of(b); v > 0 {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if l.log && high > 0 {
		logarithmic(&p.Y, low, high)
	} else {
		p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, high*1.08, countTicks{4}
	}
	p.X.Min, p.X.Max, p.X.Tick.Marker = 0, far, countTicks{6}
	for _, m := range r.Marks {
		at := m.At.Seconds()
		rule(p, plotter.XY{X: at, Y: p.Y.Min}, plotter.XY{X: at, Y: p.Y.Max})
	}
	return p
}

// draw follows the round: a step a bucket, and a gap where there is no number.
func (l lane) draw(p *plot.Plot, r *Round, style draw.LineStyle) {
	style.Width, style.Dashes = vg.Points(1.4), nil // each proxy has a row of its own
	var points plotter.XYs
	stroke := func() {
		if line, err := plotter.NewLine(points); err == nil {
			line.LineStyle = style
			p.Add(line)
		}
		points = nil
	}
	for i, b := range r.Result.Buckets {
		v, from := l.of(b), float64(i)*load.BucketWidth.Seconds()
		if l.log && v <= 0 {
			stroke()
			continue
		}
		points = append(points, plotter.XY{X: from, Y: v}, plotter.XY{X: from + load.BucketWidth.Seconds(), Y: v})
	}
	stroke()
}
