package steward

// A new configuration of an upstream has a new steward, which goes on where the one before stands: health, ejections, slow
// starts, what was told at run time, and what discovery has found last. The one before works until that moment, and
// not beyond: no server is checked by both, and no verdict falls between them.

import (
	"maps"
	"slices"

	"sluice/configs"
	"sluice/engine/discover"
	"sluice/engine/health"
	"sluice/engine/lease"
)

// estate is what is known about the servers of an upstream.
type estate struct {
	wards, absent map[lease.Endpoint]*ward
	found         map[discover.Spec][]discover.Found
	evidence      map[health.ID]health.Status // of checks; nil without
}

// succeed takes over from the steward before, if there is one, and ends it.
func (s *Steward) succeed() {
	if s.before == nil {
		return
	}
	from := s.before.handOver()
	sameCheck := configs.Same(s.before.config.Check, s.config.Check)
	s.before = nil
	s.call(func() {
		s.legacy = from.wards
		if sameCheck {
			s.evidence = from.evidence
		}
		maps.Copy(s.absent, from.absent)
		for _, one := range s.sources {
			if found, known := from.found[discoverSpec(one.config)]; known && !one.asked {
				one.found = found
			}
		}
	})
}

// handOver copies what is known about all servers, and does nothing about them from then on.
func (s *Steward) handOver() (all estate) {
	all = estate{
		wards: make(map[lease.Endpoint]*ward), absent: make(map[lease.Endpoint]*ward), found: make(map[discover.Spec][]discover.Found),
	}
	s.call(func() {
		for at, w := range s.wards {
			one := *w
			all.wards[at] = &one
		}
		for at, w := range s.absent {
			one := *w
			all.absent[at] = &one
		}
		for _, from := range s.sources {
			all.found[discoverSpec(from.config)] = from.found
		}
		if s.monitor != nil {
			all.evidence = s.monitor.Statuses()
		}
		s.over = true
	})
	s.Close()
	return all
}

// follows reports whether s, which may be nil, watches what from stands for.
func (s *Steward) follows(from *source) bool {
	return s != nil && slices.ContainsFunc(s.sources, func(one *source) bool {
		return discoverSpec(one.config) == discoverSpec(from.config)
	})
}
