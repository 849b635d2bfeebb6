package steward

// Ejection: a server that fails again and again for real traffic is left alone for a while, longer each time. It comes
// back on probation: the next failure, unless something succeeds first, sends it away again.

import (
	"fmt"
	"time"

	"sluice/engine/lease"
)

const (
	// ejectMax bounds how long repetition makes an ejection.
	ejectMax = 5 * time.Minute
	// lastMin is how many servers are never ejected.
	lastMin = 1
)

// consider looks at a failure of traffic.
func (s *Steward) consider(sus suspect) {
	w := s.wards[sus.backend.Addr]
	if w == nil {
		return
	}
	if s.monitor != nil {
		s.monitor.Hurry(w.id())
	}
	rule := &s.config.Eject
	switch {
	case rule.Errors == 0, sus.inARow < rule.Errors:
		return
	case w.backend.Down(), !w.until.IsZero():
		return // it is out already: these are the last of those that were under way
	case !s.mayEject(w):
		return
	}
	now := time.Now()
	w.streak = streak(w.streak, now.Sub(w.returned), rule.For)
	lasts := min(time.Duration(w.streak)*rule.For, max(ejectMax, rule.For))
	w.until = now.Add(lasts)
	w.ejections++
	w.backend.SetEjected(true)
	w.causes[lease.Ejected] = fmt.Sprintf("%d failures in a row, the last: %s", sus.inARow, sus.why)
	s.log.Warn("server is ejected", "server", w.spec.Name, "cause", w.causes[lease.Ejected], "for", lasts)
	s.turned(w, now)
}

// streak is how many ejections count now, the present one included: each time as long as the first one that went well takes
// one away. More than make the longest ejection would not make it longer, but keep a server that has recovered suspect.
func streak(before int, well, each time.Duration) int {
	most := max(1, int((ejectMax+each-1)/each))
	return min(before-int(min(well/each, time.Duration(before)))+1, most)
}

// mayEject reports whether one more server of w's kind may go: no more than max_percent of them, never the last.
func (s *Steward) mayEject(w *ward) bool {
	ejected, others, total := 1, 0, 0
	for _, o := range s.order {
		if o.spec.Backup != w.spec.Backup || o.spec.Weight == 0 {
			continue
		}
		total++
		switch {
		case o == w:
		case !o.until.IsZero():
			ejected++
		case !o.backend.Down() && !o.backend.Draining():
			others++
		}
	}
	return others >= lastMin && ejected*100 <= s.config.Eject.MaxPercent*total
}

// pardon ends an ejection.
func (s *Steward) pardon(w *ward, now time.Time) {
	w.until, w.returned = time.Time{}, now
	w.backend.SetEjected(false)
	w.backend.Doubt(s.config.Eject.Errors - 1)
	w.backend.Forget()
	if w.state() == lease.Up {
		s.log.Info("server is used again after an ejection", "server", w.spec.Name)
	}
	s.ramp(w, now)
	s.turned(w, now)
}
