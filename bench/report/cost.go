package report

import (
	"iter"
	"time"

	"sluice/bench/load"
)

// bulk is from how many bytes per unit on the processor time per GiB says something.
const bulk = 4 << 10

// present goes over the series that were measured.
func (s *Section) present() iter.Seq[*Series] {
	return func(yield func(*Series) bool) {
		for i := range s.Series {
			if s.Series[i].Missing == "" && !yield(&s.Series[i]) {
				return
			}
		}
	}
}

// cost shows what a proxy has used: processor time by user and system, per unit and
// per GiB through the client's sockets, memory, and system calls.
func (p *page) cost(s *Section) {
	any := false
	for one := range s.present() {
		any = any || one.watched()
	}
	if !any {
		return
	}
	p.head("Proxy", "User µs/unit", "System µs/unit", "CPU ms/GiB", "MiB at rest", "MiB under load", "System calls/unit", "Most of them")
	for one := range s.present() {
		if !one.watched() {
			continue
		}
		user, system := one.split()
		gib := one.reduce(perGiB)
		if one.reduce(perUnit).median < bulk {
			gib.n = 0
		}
		rest, loaded := one.memory(func(m *load.Memory) int64 { return m.Rest }), one.memory(func(m *load.Memory) int64 { return m.Load })
		calls, frequent := none, none
		if one.Calls != nil {
			calls, frequent = number(one.Calls.PerUnit(), 1), one.Calls.frequent()
		}
		p.row(one.Title(), user, system, number(gib.median, gib.n), number(rest.median, rest.n), number(loaded.median, loaded.n),
			calls, frequent)
	}
	p.line("")
}

// split divides the processor time per unit into user and system. The proportion is
// that of all rounds together: a single one has too few clock ticks.
func (s *Series) split() (user, system string) {
	const enough = 100 * time.Millisecond
	var ofUser, all time.Duration
	for i := range s.Rounds {
		if r := &s.Rounds[i]; r.OK() {
			ofUser += r.Result.Proxy.User
			all += r.Result.Proxy.User + r.Result.Proxy.System
		}
	}
	total := s.reduce(func(r *load.Result) float64 { return microseconds(r.Proxy.Total) / r.Units })
	if all < enough || total.n == 0 {
		return none, none
	}
	share := float64(ofUser) / float64(all)
	return number(total.median*share, 1), number(total.median*(1-share), 1)
}

// perGiB is the processor time, in milliseconds, for a GiB in and out.
func perGiB(r *load.Result) float64 {
	moved := float64(r.BytesIn + r.BytesOut)
	if moved == 0 {
		return 0
	}
	return float64(r.Proxy.Total) / float64(time.Millisecond) / (moved / (1 << 30))
}

// perUnit is how many bytes a unit has, in and out.
func perUnit(r *load.Result) float64 { return float64(r.BytesIn+r.BytesOut) / r.Units }

// memory is in MiB.
func (s *Series) memory(of func(*load.Memory) int64) spread {
	var all []float64
	for i := range s.Rounds {
		if r := &s.Rounds[i]; r.OK() && r.Result.Memory != nil {
			all = append(all, mebibytes(of(r.Result.Memory)))
		}
	}
	return newSpread(all)
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
