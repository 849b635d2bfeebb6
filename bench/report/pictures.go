package report

import (
	"bytes"
	"fmt"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"sluice/bench/load"
	"sluice/bench/scenarios"
)

// picture is one file in bench/results. Which pictures there are follows from what
// was measured; they are drawn when they are written.
type picture struct {
	// name is the file's, without .svg; section is where the page shows it, empty for
	// those of all scenarios together.
	name    string
	section string
	caption string
	width   vg.Length
	height  vg.Length
	draw    func(draw.Canvas)
}

// pictures lists them in the order of the page.
func (r *Report) pictures() (all []picture) {
	for _, group := range []struct{ protocol, name string }{
		{"http", "cpu-http"}, {"tcp", "cpu-tcp"}, {"tls", "cpu-tls"},
	} {
		all = append(all, r.costPicture(group.protocol, group.name)...)
	}
	all = append(all, r.ratePicture()...)
	for i := range r.Sections {
		s := &r.Sections[i]
		switch {
		case s.Scenario.Fault != "":
			all = append(all, s.timePicture()...)
		case s.Scenario.Load.Mode == load.Open:
			all = append(all, s.latencyPicture()...)
		case len(s.Scenario.Variants) > 0:
			all = append(all, s.balancePicture()...)
			all = append(all, s.latencyPicture()...)
		}
	}
	return all
}

// svg draws a picture.
func (one picture) svg() ([]byte, error) {
	canvas := vgsvg.New(one.width, one.height)
	one.draw(draw.New(canvas))
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("picture %s: %w", one.name, err)
	}
	// Few machines have the font that the text was measured with; Arial has its widths.
	return bytes.ReplaceAll(out.Bytes(), []byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif")), nil
}

// measured are the series of a section that have numbers.
func (s *Section) measured() (all []*Series) {
	for one := range s.present() {
		if one.invalid() < len(one.Rounds) {
			all = append(all, one)
		}
	}
	return all
}

// costOf is the metric of processor time per unit, if the scenario has it.
func costOf(sc *scenarios.Scenario) (scenarios.Metric, bool) {
	for _, m := range sc.Metrics {
		if m.Name == "CPU" {
			return m, true
		}
	}
	return scenarios.Metric{}, false
}
