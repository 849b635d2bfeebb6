package engine

// Stations: a listener as it is compiled, and what it shares with the one before it. A listener is known by its name, or
// where that is new by an address that the other one had.

import (
	"net/netip"
	"slices"

	"sluice/configs"
	"sluice/engine/limit"
	"sluice/engine/sock"
)

// station is one listener of a configuration, for all loops.
type station struct {
	config *configs.Listener // of its own, as a backing's
	plan   plan
	gate   *sock.Gate                // counts its connections, and those of the stations that it follows
	perIP  *limit.PerKey[netip.Addr] // likewise; nil without a limit
	most   int64                     // for one client
	after  int                       // which station of the configuration before it follows, or none
	goesOn bool                      // and that one's services are this one's: nothing that connections go by is different
}

// none is no station.
const none = -1

// newStation makes the station of l, without a plan.
func newStation(cfg *configs.Config, l *configs.Listener, before *snapshot) *station {
	config := *l
	st := &station{config: &config, after: before.precedes(cfg, l), most: int64(l.MaxConnectionsPerIP)}
	if st.after != none {
		old := before.stations[st.after]
		st.goesOn = alike(old.config, l)
		st.perIP, st.gate = old.perIP, old.gate
		if (old.config.MaxConnections == 0) != (l.MaxConnections == 0) {
			st.gate = nil // one counts together with others, and the other one by itself
		}
	}
	switch {
	case st.most == 0:
		st.perIP = nil
	case st.perIP == nil: // a key lives as long as one of its connections, so max_connections bounds their number
		st.perIP = limit.NewPerKey[netip.Addr](0)
	}
	return st
}

// precedes finds the station that l of cfg follows. s may be nil.
func (s *snapshot) precedes(cfg *configs.Config, l *configs.Listener) int {
	if s == nil {
		return none
	}
	named := func(name string) func(configs.Listener) bool {
		return func(o configs.Listener) bool { return o.Name == name }
	}
	if at := slices.IndexFunc(s.stations, func(st *station) bool { return st.config.Name == l.Name }); at >= 0 {
		return at
	}
	return slices.IndexFunc(s.stations, func(st *station) bool {
		return !slices.ContainsFunc(cfg.Listeners, named(st.config.Name)) && len(st.config.Bind) > 0 && slices.ContainsFunc(l.Bind, func(b configs.Value[configs.Address]) bool {
			return b.V == st.config.Bind[0].V // its first, so that it has one successor at most
		})
	})
}

// alike reports whether connections of two listeners are treated alike, where they come from and where they go aside.
func alike(a, b *configs.Listener) bool {
	x, y := *a, *b
	for _, l := range []*configs.Listener{&x, &y} {
		l.Bind, l.MaxConnections, l.Upstream = nil, 0, configs.Value[string]{}
	}
	return configs.Same(x, y)
}
