package report

import (
	"fmt"
	"slices"
	"strings"

	"sluice/bench/load"
	"sluice/bench/rivals"
	"sluice/bench/scenarios"
)

// comparison is one number of sluice beside that of somebody else.
type comparison struct {
	section      *Section
	metric       scenarios.Metric
	sluice, peer *Series
	ours, theirs spread
	ratio        spread // round by round
}

// compare puts a number of one series beside that of another.
func compare(s *Section, m scenarios.Metric, ours, theirs *Series) comparison {
	return comparison{s, m, ours, theirs, ours.values(m), theirs.values(m), ratios(ours, theirs, m)}
}

// comparisons lists all that there are: each metric with each peer. Peers are compared
// with sluice's first row, a second sluice row by row. Proxies with origins of their own
// were not compared with sluice.
func (r *Report) comparisons() (all []comparison) {
	for i := range r.Sections {
		s := &r.Sections[i]
		if s.Scenario.Origins == 0 {
			continue
		}
		for _, m := range s.Scenario.Metrics {
			for j := range s.Series {
				ours, peer := s.find(rivals.Sluice), &s.Series[j]
				if peer.Proxy == rivals.Sluice {
					if peer.Setting != rivals.Base {
						continue
					}
					ours = s.ours(peer.row())
				}
				all = append(all, compare(s, m, ours, peer))
			}
		}
	}
	return all
}

// verdicts is the table of all targets and all peers.
func (p *page) verdicts(r *Report) {
	p.line("## Verdict\n")
	p.head("Scenario", "Measure", "sluice", "Peer", "Peer's", "sluice ÷ peer (range)", "sluice is", "Target", "")
	all := r.comparisons()
	for i := range r.Sections {
		s := &r.Sections[i]
		for _, m := range s.Scenario.Metrics {
			p.absolute(s, m)
			p.besides(s, m)
			for _, c := range all {
				if c.section == s && c.metric.Name == m.Name {
					p.relative(c)
				}
			}
		}
	}
	p.line("")
}

// absolute writes the row of a metric whose target has no peer.
func (p *page) absolute(s *Section, m scenarios.Metric) {
	ours := s.find(rivals.Sluice)
	limit, found := limitFor(m, ours)
	if !found {
		return
	}
	value := ours.values(m)
	p.row(s.Name, m.Name+", "+m.Unit, number(value.median, value.n), none, none, none, none,
		"≤ "+number(limit.AtMost, 1), judge(value, limit, ours))
}

// besides writes the rows of a metric whose targets are about two rows of sluice.
func (p *page) besides(s *Section, m scenarios.Metric) {
	for _, l := range m.Limits {
		if l.Row == "" {
			continue
		}
		c := compare(s, m, s.ours(l.Row), s.ours(l.Beside))
		p.row(s.Name, m.Name+", "+m.Unit, number(c.ours.median, c.ours.n)+" ("+l.Row+")", c.peer.Title(),
			number(c.theirs.median, c.theirs.n), ratioText(c.ratio), none, timesText(l), judge(c.ratio, l, c.sluice, c.peer))
	}
}

// timesText is a target for a ratio.
func timesText(l scenarios.Limit) string {
	if l.AtLeast > 0 {
		return fmt.Sprintf("≥ %.2f ×", l.AtLeast)
	}
	return fmt.Sprintf("≤ %.2f ×", l.AtMost)
}

// relative writes the row of a metric beside a peer.
func (p *page) relative(c comparison) {
	target, verdict := none, remarks(c.sluice, c.peer)
	if limit, found := limitFor(c.metric, c.peer); found {
		target, verdict = timesText(limit), judge(c.ratio, limit, c.sluice, c.peer)
	}
	p.row(c.section.Name, c.metric.Name+", "+c.metric.Unit, number(c.ours.median, c.ours.n), c.peer.Title(),
		number(c.theirs.median, c.theirs.n), ratioText(c.ratio), c.standing(), target, verdict)
}

// limitFor finds the target against a proxy in its setting; sluice stands for the
// absolute one, unless it is there to be compared with.
func limitFor(m scenarios.Metric, s *Series) (scenarios.Limit, bool) {
	for _, l := range m.Limits {
		if s.Setting != rivals.Base && l.For(s.Proxy, s.Setting) {
			return l, true
		}
	}
	return scenarios.Limit{}, false
}

// judge says pass or MISS, and what weakens the saying. The first of those involved
// is sluice: if it had errors, no number is good enough. A contrast has no verdict.
func judge(value spread, limit scenarios.Limit, involved ...*Series) string {
	notes := remarks(involved...)
	if value.n == 0 {
		if notes == "" {
			notes = "not measured"
		}
		return notes
	}
	kept := limit.Keeps(value.median) && (involved[0].faulty() || len(involved[0].errors()) == 0)
	verdict := map[bool]string{true: "pass", false: "**MISS**"}[kept]
	if limit.Contrast {
		verdict = map[bool]string{true: "kept, for contrast", false: "not kept, for contrast"}[kept]
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

// remarks lists what is missing and what went wrong. Errors that were provoked are
// numbers of their own.
func remarks(involved ...*Series) string {
	var notes []string
	for _, s := range involved {
		if s.Missing != "" {
			notes = append(notes, s.Title()+": "+s.Missing)
		}
		if text := errorText(s.errors()); text != "" && !s.faulty() {
			notes = append(notes, s.Title()+" had errors: "+text)
		}
		if n := s.invalid(); n > 0 {
			text := fmt.Sprintf("%d of %d rounds of %s are not valid", n, len(s.Rounds), s.Title())
			if late := s.late(); late > 0 {
				text += fmt.Sprintf(", in %d the schedule was not kept", late)
			}
			notes = append(notes, text)
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
		worst = max(worst, s.reduce(func(r *load.Result) float64 { return r.Others }).median)
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
