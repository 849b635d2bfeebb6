// Package report turns the raw numbers of a run into a verdict people can check:
// the numbers themselves as JSON, a Markdown page made of nothing but them, and
// pictures of them.
//
// A Report is data only. Everything on the page can be computed again from the
// JSON file; ratios are made per round, between runs that were neighbours in
// time, and only then reduced to a median and a range. Two files can be compared
// (see Compare).
package report

import (
	"fmt"
	"time"

	"sluice/bench/load"
	"sluice/bench/origin"
	"sluice/bench/rivals"
	"sluice/bench/scenarios"
)

// Report is one run of the harness.
type Report struct {
	Command     string    `json:"command"`
	Date        time.Time `json:"date"`
	Quick       bool      `json:"quick"`
	Interrupted bool      `json:"interrupted"`
	Machine     Machine   `json:"machine"`
	Sections    []Section `json:"sections"`
}

// Section is a scenario and what came of it.
type Section struct {
	Name string `json:"scenario"`
	What string `json:"what"`
	// Scenario has the functions that make metrics of results; not in JSON.
	Scenario scenarios.Scenario `json:"-"`
	// Peak is the rate of which the scenario's is a share; nil if it has no rate.
	Peak   *Peak    `json:"peak,omitempty"`
	Series []Series `json:"series"`
}

// Peak is the highest rate of the best of some proxies in a closed loop.
type Peak struct {
	Proxy string `json:"proxy"`
	// Rate is in requests per second.
	Rate float64 `json:"rate"`
}

// Series are the rounds of one proxy in one setting.
type Series struct {
	Proxy   string `json:"proxy"`
	Setting string `json:"setting"`
	// Balance is how the proxy chooses a server, in its own words; empty = by default.
	Balance string `json:"balance,omitempty"`
	// Variant tells the row from others of the same proxy and balance; mostly empty.
	Variant string `json:"variant,omitempty"`
	Version string `json:"version,omitempty"`
	// Missing says why there are no rounds; empty if there are.
	Missing string  `json:"missing,omitempty"`
	Rounds  []Round `json:"rounds,omitempty"`
	// Calls are the system calls, counted in a run of their own; nil if they were not.
	// Untraced says why, if they should have been.
	Calls    *Calls `json:"calls,omitempty"`
	Untraced string `json:"untraced,omitempty"`
}

// Round is one run of one proxy. Rounds with the same index are neighbours.
type Round struct {
	Result *load.Result `json:"result,omitempty"`
	// Origin counts what arrived behind the proxy, warm-up included.
	Origin origin.Stats `json:"origin"`
	// Faulty says that errors were provoked: they are what was measured.
	Faulty bool `json:"faulty,omitempty"`
	// Marks are what was done to the proxy, or behind it, in the window.
	Marks []Mark `json:"marks,omitempty"`
	// Failed says why the numbers do not count; empty if they do.
	Failed string `json:"failed,omitempty"`
}

// Mark is something that was done, and when: so long after the window began, to a
// few hundredths of a second.
type Mark struct {
	At   time.Duration `json:"at_ns"`
	What string        `json:"what"`
}

// Machine is where it was measured.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Pinned bool   `json:"pinned"` // proxy and tools on a core each
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
}

// String describes it on one line.
func (m Machine) String() string { return fmt.Sprintf("%s, %d cores, %s", m.CPU, m.Cores, m.Kernel) }

// Title names a series as the tables do.
func (s *Series) Title() string {
	title := s.Proxy
	if s.Setting != "" && s.Setting != rivals.Default {
		title += " " + s.Setting
	}
	if row := s.row(); row != "" {
		title += " " + row
	}
	return title
}

// row is what tells the series from others of the proxy, as limits name it.
func (s *Series) row() string { return scenarios.Variant{Balance: s.Balance, Name: s.Variant}.Row() }

// OK reports whether the round's numbers count: something was done, and nothing failed
// that was not provoked.
func (r *Round) OK() bool {
	if r.Failed != "" || r.Result == nil {
		return false
	}
	return r.Result.Valid() || r.Faulty && r.Result.Units > 0 && r.Result.OnSchedule()
}

// errors sums the errors of all rounds by kind; a failed round is one too. Where a
// schedule was not kept they may be anybody's.
func (s *Series) errors() map[string]int64 {
	sum := map[string]int64{}
	for _, r := range s.Rounds {
		if r.Failed != "" {
			sum["failed rounds"]++
		}
		if r.Result == nil || !r.Result.OnSchedule() {
			continue
		}
		for kind, n := range r.Result.Errors {
			sum[kind] += n
		}
	}
	return sum
}

// faulty reports whether errors were provoked.
func (s *Series) faulty() bool { return len(s.Rounds) > 0 && s.Rounds[0].Faulty }
