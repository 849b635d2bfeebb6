package report

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// costPicture has a panel of bars for each scenario of a protocol: processor time per
// unit, each panel on its own scale, since a request may cost 15 µs or 15 ms.
func (r *Report) costPicture(protocol, name string) []picture {
	const columns = 3
	var rows [][]*plot.Plot
	count, most := 0, 0
	for i := range r.Sections {
		s := &r.Sections[i]
		m, found := costOf(&s.Scenario)
		if !found || s.Scenario.Protocol != protocol || len(s.measured()) == 0 {
			continue
		}
		b := &bars{}
		for place, one := range s.measured() {
			if v := one.values(m); v.n > 0 {
				b.add(one.Title(), one.colour(place), v)
			}
		}
		if len(b.names) == 0 {
			continue
		}
		if count%columns == 0 {
			rows = append(rows, make([]*plot.Plot, columns))
		}
		rows[len(rows)-1][count%columns] = b.plot(s.Name, m.Unit)
		count, most = count+1, max(most, len(b.names))
	}
	if count == 0 {
		return nil
	}
	if count < columns {
		rows[0] = rows[0][:count]
	}
	return []picture{{
		name: name, caption: fmt.Sprintf("Processor time of the proxy per unit of work, %s scenarios: shorter bars are better", protocol),
		width: vg.Points(300 * float64(min(count, columns))), height: vg.Points(float64(len(rows)) * (70 + 17*float64(most))),
		draw: tiles(rows),
	}}
}

// bars are horizontal, one a name, with the number at their end and a thin line for
// the range. The first is on top.
type bars struct {
	names   []string
	colours []color.RGBA
	values  []spread
}

func (b *bars) add(name string, c color.RGBA, v spread) {
	b.names, b.colours, b.values = append(b.names, name), append(b.colours, c), append(b.values, v)
}

// plot is a panel of nothing but these bars.
func (b *bars) plot(title, unit string) *plot.Plot {
	p := newPlot(title, unit, "")
	var ticks []plot.Tick
	for i, name := range b.names {
		ticks = append(ticks, plot.Tick{Value: b.at(i), Label: name})
	}
	p.Y.Tick.Marker, p.X.Tick.Marker = plot.ConstantTicks(ticks), countTicks{4}
	p.Y.Tick.Length, p.Y.LineStyle.Width = 0, 0
	p.Add(b)
	p.X.Min, p.Y.Min, p.Y.Max = 0, -0.6, float64(len(b.names))-0.4
	return p
}

func (b *bars) at(i int) float64 { return float64(len(b.names) - 1 - i) }

// DataRange implements plot.DataRanger: there is room for the numbers at the ends.
func (b *bars) DataRange() (xmin, xmax, ymin, ymax float64) {
	for _, v := range b.values {
		xmax = max(xmax, v.high, v.median)
	}
	return 0, xmax * 1.3, -0.6, float64(len(b.names)) - 0.4
}

// Plot implements plot.Plotter.
func (b *bars) Plot(c draw.Canvas, p *plot.Plot) {
	const half = 0.36
	x, y := p.Transforms(&c)
	style := p.X.Tick.Label
	style.XAlign, style.YAlign, style.Color = draw.XLeft, draw.YCenter, ink
	for i, v := range b.values {
		top, bottom := y(b.at(i)+half), y(b.at(i)-half)
		c.FillPolygon(b.colours[i], []vg.Point{{X: x(0), Y: bottom}, {X: x(v.median), Y: bottom}, {X: x(v.median), Y: top}, {X: x(0), Y: top}})
		if v.n > 1 {
			middle := y(b.at(i))
			c.StrokeLine2(draw.LineStyle{Color: ink, Width: vg.Points(0.8)}, x(v.low), middle, x(v.high), middle)
		}
		c.FillText(style, vg.Point{X: x(max(v.median, v.high)) + vg.Points(4), Y: y(b.at(i))}, number(v.median, v.n))
	}
}
