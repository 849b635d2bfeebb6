// Package report turns the raw numbers of a run into a verdict people can check:
// the numbers themselves as JSON, and a Markdown page made of nothing but them.
//
// A Report is data only. Everything on the page can be computed again from the
// JSON files; ratios are made per round, between runs that were neighbours in
// time, and only then reduced to a median and a range.
package report

import (
	"time"

	"sluice/bench/load"
	"sluice/bench/origin"
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
	Version string `json:"version,omitempty"`
	// Missing says why there are no rounds; empty if there are.
	Missing string  `json:"missing,omitempty"`
	Rounds  []Round `json:"rounds,omitempty"`
}

// Round is one run of one proxy. Rounds with the same index are neighbours.
type Round struct {
	Result *load.Result `json:"result,omitempty"`
	// Origin counts what arrived behind the proxy, warm-up included.
	Origin origin.Stats `json:"origin"`
	// Failed says why the numbers do not count; empty if they do.
	Failed string `json:"failed,omitempty"`
}

// Machine is where it was measured.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Pinned bool   `json:"pinned"` // proxy and tools on a core each
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
}

// title names a series as the tables do.
func (s *Series) title() string {
	if s.Setting == "" || s.Setting == "default" {
		return s.Proxy
	}
	return s.Proxy + " " + s.Setting
}

// ok reports whether the round's numbers count.
func (r *Round) ok() bool { return r.Failed == "" && r.Result != nil && r.Result.Valid() }

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
