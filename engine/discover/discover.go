// Package discover finds the servers that a configuration names without listing them: the addresses behind a name, the
// services behind an SRV record, the lines of a watched file.
//
// A Watcher is one goroutine off the loops. It looks its source up, tells its owner when the list has changed, and sleeps until
// the answer is due again (watcher.go). The three sources differ only in how they look and what wakes them early:
//
//	dns://app.internal:80          A and AAAA records (dns.go)
//	srv://_http._tcp.app.internal  SRV records and the addresses of their targets (srv.go)
//	file:///etc/sluice/app.servers  a list, one server a line (file.go)
//
// What is known is kept: a source that fails, or that suddenly knows of nothing, changes no list. The only ways to an empty list
// are those that cannot be a mistake. Below the sources, resolver.go asks name servers as the system does, and exchange.go is one
// question on the wire.
package discover

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"sluice/configs"
)

const (
	// listMax bounds a list: what is beyond it is dropped, in the order of addresses, and reported.
	listMax = 1000
	// freshMin and freshMax clamp what a TTL says: a TTL of 0 must not become a flood, one of a day must not outlive a move.
	freshMin = time.Second
	freshMax = 5 * time.Minute
	// queryTimeout bounds one question to one name server, roundTimeout all that one look asks.
	queryTimeout = 2 * time.Second
	roundTimeout = 5 * time.Second
	// backoffMin doubles with each failed look up to backoffMax.
	backoffMin = time.Second
	backoffMax = 30 * time.Second
)

// ErrVanished is in the error of a look that was answered: there is no such name, or nothing of the kind asked for under it.
var ErrVanished = errors.New("nothing of that name")

// A Spec says where to look. Kind is "dns" (Name and Port), "srv" (Name, the whole one with its service and protocol) or "file"
// (Path). A Name that ends in a dot is fully qualified; others go through the search list of the system.
type Spec struct {
	Kind string
	Name string
	Port uint16
	Path string
}

// String returns s as a user would write it.
func (s Spec) String() string {
	switch s.Kind {
	case "file":
		return "file://" + s.Path
	case "srv":
		return "srv://" + s.Name
	}
	return fmt.Sprintf("%s://%s:%d", s.Kind, s.Name, s.Port)
}

// A Found is one server. Either Addr is valid, or Path is that of a unix socket.
type Found struct {
	Addr   netip.AddrPort // never IPv4-mapped, never with a zone
	Path   string
	Name   string         // of the host; "" if it is listed by its address
	Weight int            // of an SRV record, 1-256; 0 = not said
	Backup bool           // an SRV record of a lower priority than others
	Line   configs.Server // of a file, without Address and At; zero elsewhere
}

// String returns where the server is: "10.0.0.1:80", "unix:/run/app.sock".
func (f Found) String() string {
	if f.Path != "" {
		return "unix:" + f.Path
	}
	return f.Addr.String()
}

// Host is what the source calls the server, without a port: its name, or else its address; "" for a unix socket.
func (f Found) Host() string {
	switch {
	case f.Name != "":
		return f.Name
	case f.Path != "":
		return ""
	}
	return f.Addr.Addr().String()
}

// Server returns f as if it had been configured: with what its source says of it, and the rest as in entry, which says where to
// look.
func (f Found) Server(entry configs.Server) configs.Server {
	s := f.Line.Inherit(entry)
	s.At = entry.At
	s.Address = configs.Address{Network: "unix", Path: f.Path}
	if f.Path == "" {
		s.Address = configs.Address{Network: "tcp", Host: f.Addr.Addr().String(), Port: f.Addr.Port()}
	}
	if f.Weight > 0 {
		s.Weight = f.Weight
	}
	s.Backup = s.Backup || f.Backup
	return s
}

// compare orders servers by where they are, and of several entries for one place puts the one first that is kept: primary before
// backup, heavy before light.
func (f Found) compare(g Found) int {
	rank := func(f Found) int {
		if f.Backup || f.Line.Backup {
			return 1
		}
		return 0
	}
	return cmp.Or(f.Addr.Compare(g.Addr), cmp.Compare(f.Path, g.Path), rank(f)-rank(g), g.Weight-f.Weight,
		g.Line.Weight-f.Line.Weight, f.Line.MaxConnections-g.Line.MaxConnections, cmp.Compare(f.Name, g.Name))
}

// tidy brings a list into its one form: sorted, each place once, at most listMax long. It tells how many places were dropped.
// The list is changed in place.
func tidy(list []Found) (tidied []Found, dropped int) {
	slices.SortFunc(list, Found.compare)
	list = slices.CompactFunc(list, func(f, g Found) bool { return f.Addr == g.Addr && f.Path == g.Path })
	dropped = max(0, len(list)-listMax)
	return list[:len(list)-dropped], dropped
}

// Options are what a Watcher needs besides its Spec.
type Options struct {
	// Resolvers are the name servers to ask, in this order. None means those of the system, with its search list. With name servers
	// of one's own, names are asked for as they are written: the search list belongs to the system's.
	Resolvers []netip.AddrPort

	// Update hears the whole list whenever it has changed, and owns the slice. The first answer is always a change, even if it is
	// empty. The list is sorted by address and has no address twice.
	Update func([]Found)
	// Trouble hears why the list may be out of date or incomplete: once when a series of failures begins, and once more for each
	// change of a file that breaks it anew. Nil hears nothing.
	Trouble func(error)
	// Recovered hears that the series is over. Nil hears nothing.
	Recovered func()

	// Refuses says why a server that a file lists cannot be one of the upstream's; "" if it can. Nil refuses none.
	Refuses func(configs.Server) string

	// hosts and resolvConf are the system's files; tests have their own.
	hosts, resolvConf string
}

// withDefaults fills in what may be left out.
func (o Options) withDefaults() Options {
	if o.Trouble == nil {
		o.Trouble = func(error) {}
	}
	if o.Recovered == nil {
		o.Recovered = func() {}
	}
	o.hosts = cmp.Or(o.hosts, "/etc/hosts")
	o.resolvConf = cmp.Or(o.resolvConf, "/etc/resolv.conf")
	return o
}
