package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"sluice/bench/load"
	"sluice/bench/rivals"
	"sluice/bench/scenarios"
)

// none stands where there is no number.
const none = "–"

// Markdown renders the whole page.
func (r *Report) Markdown() []byte {
	p := &page{}
	p.line("# Benchmarks\n")
	p.line("Written by the harness in `bench/`; edit that, not this page. `bench/README.md` explains how to read it,")
	p.line("`bench/results/` has the raw numbers.\n")
	p.reservations(r)
	p.verdicts(r)
	for i := range r.Sections {
		p.section(&r.Sections[i])
	}
	p.method(r)
	p.setting(r)
	return p.Bytes()
}

// Summary renders the numbers alone, for a terminal.
func (r *Report) Summary() []byte {
	p := &page{}
	p.reservations(r)
	p.verdicts(r)
	for i := range r.Sections {
		p.section(&r.Sections[i])
	}
	return p.Bytes()
}

// reservations say what kind of run it was, if it was not a full one.
func (p *page) reservations(r *Report) {
	if r.Interrupted {
		p.line("**This run was interrupted**; the rows show the rounds that were complete.\n")
	}
	if r.Quick {
		p.line("**This was a quick run**: few short rounds, good for a look, not for quoting.\n")
	}
}

// page is Markdown under construction.
type page struct{ bytes.Buffer }

func (p *page) line(format string, args ...any) {
	fmt.Fprintf(p, format+"\n", args...)
}

// row writes the cells of a table row.
func (p *page) row(cells ...string) { p.line("| %s |", strings.Join(cells, " | ")) }

func (p *page) head(cells ...string) {
	p.row(cells...)
	p.line("|%s", strings.Repeat("---|", len(cells)))
}

// verdicts is the table of all targets.
func (p *page) verdicts(r *Report) {
	p.line("## Verdict\n")
	p.head("Scenario", "Measure", "sluice", "Peer", "Peer's", "sluice ÷ peer (range)", "Target", "")
	for i := range r.Sections {
		s := &r.Sections[i]
		for _, m := range s.Scenario.Metrics {
			for j := range s.Series {
				p.verdict(s, m, &s.Series[j])
			}
		}
	}
	p.line("")
}

// verdict writes the row of one metric against one series: a rival, or sluice
// itself for targets that are absolute.
func (p *page) verdict(s *Section, m scenarios.Metric, peer *Series) {
	ours := s.find(rivals.Sluice)
	measure := m.Name + ", " + m.Unit
	own := number(ours.values(m.Of).median, ours.values(m.Of).n)
	limit, found := limitFor(m, peer)
	if peer.Proxy == rivals.Sluice && peer.Setting != rivals.Base {
		if found {
			value := ours.values(m.Of)
			p.row(s.Name, measure, own, none, none, none, "≤ "+number(limit, 1), judge(value, limit, ours))
		}
		return
	}
	theirs, ratio := peer.values(m.Of), ratios(ours, peer, m)
	target := none
	if found {
		target = fmt.Sprintf("≤ %.2f ×", limit)
	}
	verdict := judge(ratio, limit, ours, peer)
	if !found {
		verdict = remarks(ours, peer)
	}
	p.row(s.Name, measure, own, peer.title(), number(theirs.median, theirs.n), ratioText(ratio), target, verdict)
}

// limitFor finds the target against a proxy in its setting; sluice stands for the
// absolute one, unless it is there to be compared with.
func limitFor(m scenarios.Metric, s *Series) (float64, bool) {
	for _, l := range m.Limits {
		if s.Setting != rivals.Base && l.For(s.Proxy, s.Setting) {
			return l.AtMost, true
		}
	}
	return 0, false
}

// judge says pass or MISS, and what weakens the saying. The first of those involved
// is sluice: if it had errors, no number is good enough.
func judge(value spread, limit float64, involved ...*Series) string {
	notes := remarks(involved...)
	if value.n == 0 {
		if notes == "" {
			notes = "not measured"
		}
		return notes
	}
	verdict := "pass"
	if value.median > limit || len(involved[0].errors()) > 0 {
		verdict = "**MISS**"
	}
	// An absolute value has no ratio to be noisy; its range is in the details.
	if len(involved) > 1 && value.noisy() {
		verdict += fmt.Sprintf(", noisy (spread %.0f %%)", 100*(value.high-value.low)/value.median)
	}
	if notes != "" {
		verdict += "; " + notes
	}
	return verdict
}

// remarks lists what is missing and what went wrong.
func remarks(involved ...*Series) string {
	var notes []string
	for _, s := range involved {
		if s.Missing != "" {
			notes = append(notes, s.Missing)
		}
		if text := errorText(s.errors()); text != "" {
			notes = append(notes, s.title()+" had errors: "+text)
		}
		if n := s.late(); n > 0 {
			notes = append(notes, fmt.Sprintf("the schedule was not kept in %d rounds of %s", n, s.title()))
		}
		if n := s.invalid(); n > 0 {
			notes = append(notes, fmt.Sprintf("%d of %d rounds of %s are not valid", n, len(s.Rounds), s.title()))
		}
	}
	if share := othersShare(involved); share > othersAbove {
		notes = append(notes, fmt.Sprintf("disturbed (other programs used %.0f %% of the machine)", share))
	}
	return strings.Join(notes, "; ")
}

// othersShare is the worst of the medians.
func othersShare(involved []*Series) float64 {
	worst := 0.0
	for _, s := range involved {
		worst = max(worst, s.values(func(r *load.Result) float64 { return r.Others }).median)
	}
	return worst
}

func errorText(errors map[string]int64) string {
	var parts []string
	for kind, n := range errors {
		parts = append(parts, fmt.Sprintf("%d %s", n, kind))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// find returns a series in its default setting; one that was not asked for is an
// empty series that says so.
func (s *Section) find(proxy string) *Series {
	for i := range s.Series {
		if s.Series[i].Proxy == proxy {
			return &s.Series[i]
		}
	}
	return &Series{Proxy: proxy, Missing: proxy + " was not measured in this run"}
}
