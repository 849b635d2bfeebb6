package report

import (
	"fmt"
	"math"

	"sluice/bench/rivals"
	"sluice/bench/scenarios"
)

// Comparison is what changed between two runs.
type Comparison struct {
	before, after *Report
	changes       []change
}

// change is that of one number of one proxy.
type change struct {
	section, proxy string
	metric         scenarios.Metric
	before, after  spread
	beside         bool // taken beside the peers
	ratio          float64
	low, high      float64
	known          bool // there is an interval
	ours           bool
}

// leastChange is by how much a number must have changed to be worth a word, however
// sure that is.
const leastChange = 0.02

// Compare lines up what both runs have measured. Where peers were measured in both,
// the numbers of sluice are taken beside theirs, round by round: a machine that has
// become faster or slower, or was busy, changes both.
func Compare(before, after *Report) *Comparison {
	c := &Comparison{before: before, after: after}
	for i := range before.Sections {
		a := &before.Sections[i]
		b := after.section(a.Name)
		if b == nil {
			continue
		}
		for _, m := range a.Scenario.Metrics {
			for j := range a.Series {
				first := &a.Series[j]
				if second := b.series(first.Title()); second != nil {
					c.add(pair{a, b, first, second}, m)
				}
			}
		}
	}
	return c
}

func (r *Report) section(name string) *Section {
	for i := range r.Sections {
		if r.Sections[i].Name == name {
			return &r.Sections[i]
		}
	}
	return nil
}

func (s *Section) series(title string) *Series {
	for i := range s.Series {
		if s.Series[i].Title() == title {
			return &s.Series[i]
		}
	}
	return nil
}

// pair is a series in both runs.
type pair struct {
	sectionA, sectionB *Section
	a, b               *Series
}

// add notes how a metric has changed, if both runs have numbers.
func (c *Comparison) add(p pair, m scenarios.Metric) {
	one := change{
		section: p.sectionA.Name, proxy: p.a.Title(), metric: m, ours: p.a.Proxy == rivals.Sluice,
		before: p.a.values(m), after: p.b.values(m),
	}
	if one.before.n == 0 || one.after.n == 0 {
		return
	}
	first, second := p.a.numbers(m.Of), p.b.numbers(m.Of)
	if peers := commonPeers(p); one.ours && len(peers) > 0 {
		besideA, besideB := beside(p.sectionA, p.a, peers, m), beside(p.sectionB, p.b, peers, m)
		if len(besideA) > 0 && len(besideB) > 0 {
			first, second, one.beside = besideA, besideB, true
		}
	}
	if first, second = positive(first), positive(second); len(first) > 0 && len(second) > 0 {
		one.ratio, one.low, one.high, one.known = ratioInterval(first, second)
	}
	c.changes = append(c.changes, one)
}

// commonPeers are those that both runs have measured in the section.
func commonPeers(p pair) (titles []string) {
	for i := range p.sectionA.Series {
		peer := &p.sectionA.Series[i]
		other := p.sectionB.series(peer.Title())
		if peer.Proxy != rivals.Sluice && other != nil && peer.Missing == "" && other.Missing == "" && peer.Version == other.Version {
			titles = append(titles, peer.Title())
		}
	}
	return titles
}

// beside divides the numbers of a series by the geometric mean of the peers', round
// by round.
func beside(s *Section, ours *Series, peers []string, m scenarios.Metric) (all []float64) {
	for i := range ours.Rounds {
		var theirs []float64
		for _, title := range peers {
			peer := s.series(title)
			if i < len(peer.Rounds) && peer.Rounds[i].OK() {
				theirs = append(theirs, m.Of(peer.Rounds[i].Result))
			}
		}
		if len(theirs) == len(peers) && len(positive(theirs)) == len(peers) && ours.Rounds[i].OK() {
			all = append(all, m.Of(ours.Rounds[i].Result)/geometricMean(theirs))
		}
	}
	return all
}

// positive leaves out what has no ratio.
func positive(values []float64) (all []float64) {
	for _, v := range values {
		if v > 0 && !math.IsInf(v, 0) {
			all = append(all, v)
		}
	}
	return all
}

// sign is -1 if the number has surely become worse, 1 if better, 0 if neither can be
// told.
func (c *change) sign() int {
	if !c.known || c.low <= 1 && c.high >= 1 || math.Abs(c.ratio-1) < leastChange {
		return 0
	}
	if (c.ratio > 1) == c.metric.More {
		return 1
	}
	return -1
}

// Worse counts the numbers of sluice that have surely become worse.
func (c *Comparison) Worse() (n int) {
	for i := range c.changes {
		if one := &c.changes[i]; one.ours && one.sign() < 0 {
			n++
		}
	}
	return n
}

// Empty reports whether the runs have nothing in common.
func (c *Comparison) Empty() bool { return len(c.changes) == 0 }

// Markdown shows everything that both runs have measured: first sluice, then what
// should not have changed.
func (c *Comparison) Markdown() []byte {
	p := &page{}
	p.line("# What changed\n")
	p.line("- before: %s, `%s`, %s", c.before.Date.UTC().Format("2006-01-02 15:04 MST"), c.before.Command, c.before.Machine)
	p.line("- after: %s, `%s`, %s\n", c.after.Date.UTC().Format("2006-01-02 15:04 MST"), c.after.Command, c.after.Machine)
	if c.before.Machine != c.after.Machine {
		p.line("**The machines differ**: what follows says more about them than about the proxies.\n")
	}
	p.line("The change is the median of all ratios of a round after to a round before, with its interval of %.0f %% confidence by", 100*confidence)
	p.line("the rank-sum test. \"Beside peers\" means that each number of sluice was first divided by those of the peers in the same")
	p.line("round. A change of less than %.0f %% is called none.\n", 100*leastChange)
	p.changes("sluice", c.changes, true)
	p.changes("Peers, which should not have changed", c.changes, false)
	return p.Bytes()
}

// changes writes a table of sluice's or of the others'.
func (p *page) changes(title string, all []change, ours bool) {
	p.line("## %s\n", title)
	p.head("Scenario", "Proxy", "Measure", "Before", "After", "Change", "")
	for i := range all {
		one := &all[i]
		if one.ours != ours {
			continue
		}
		p.row(one.section, one.proxy, one.metric.Name+", "+one.metric.Unit,
			number(one.before.median, one.before.n), number(one.after.median, one.after.n), one.text(), one.verdict())
	}
	p.line("")
}

// text shows the ratio in percent.
func (c *change) text() string {
	if c.ratio == 0 {
		return none
	}
	text := percent(c.ratio)
	if c.known {
		text += fmt.Sprintf(" (%s to %s)", percent(c.low), percent(c.high))
	}
	if c.beside {
		text += " beside peers"
	}
	return text
}

func percent(ratio float64) string { return fmt.Sprintf("%+.1f %%", 100*(ratio-1)) }

// verdict says in words what can be said.
func (c *change) verdict() string {
	switch {
	case c.ratio == 0 && c.before.median == c.after.median:
		return "the same"
	case !c.known:
		return fmt.Sprintf("too few rounds to tell (%d and %d)", c.before.n, c.after.n)
	case c.sign() > 0:
		return "better"
	case c.sign() < 0:
		return "**worse**"
	}
	return "no change that can be told apart from noise"
}
