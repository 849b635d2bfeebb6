package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sluice/bench/load"
)

// Calls are system calls per unit of work.
type Calls struct {
	Units float64 `json:"units"`
	// Total and Failed are numbers of calls; most that failed were told to try again.
	Total  int64            `json:"total"`
	Failed int64            `json:"failed"`
	ByName map[string]int64 `json:"by_name"`
}

// NewCalls takes them from the result of a run that counted them.
func NewCalls(r *load.Result) *Calls {
	return &Calls{Units: r.Units, Total: r.Syscalls.Total, Failed: r.Syscalls.Failed, ByName: r.Syscalls.Calls}
}

// PerUnit is their number per unit; 0 if nothing was done.
func (c *Calls) PerUnit() float64 {
	if c == nil || c.Units == 0 {
		return 0
	}
	return float64(c.Total) / c.Units
}

// String shows the sum and the most frequent ones.
func (c *Calls) String() string {
	return fmt.Sprintf("%.2f system calls per unit: %s", c.PerUnit(), c.frequent())
}

// frequent lists the calls that are a good part of all.
func (c *Calls) frequent() string {
	const worthNaming = 0.05 // of all
	names := slices.SortedFunc(maps.Keys(c.ByName), func(a, b string) int {
		return cmp.Or(cmp.Compare(c.ByName[b], c.ByName[a]), strings.Compare(a, b))
	})
	var parts []string
	for _, name := range names {
		if n := c.ByName[name]; float64(n) > worthNaming*float64(c.Total) {
			parts = append(parts, fmt.Sprintf("%s %.2f", name, float64(n)/c.Units))
		}
	}
	return strings.Join(parts, ", ")
}
