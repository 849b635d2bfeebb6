package discover

// dns://name:port: every address of the name is a server.

import (
	"context"
	"net/netip"
	"time"
)

// A dnsSource looks one name up.
type dnsSource struct {
	book *book
	name string
	port uint16
}

// look asks for the addresses.
func (s *dnsSource) look(ctx context.Context) result {
	s.book.resolver.refresh()
	e := s.book.lookUp(ctx, []string{s.name}, nil)[s.name]
	if len(e.addrs) == 0 {
		return result{err: e.err}
	}
	found := make([]Found, len(e.addrs))
	for i, addr := range e.addrs {
		found[i] = Found{Addr: netip.AddrPortFrom(addr, s.port), Name: s.name}
	}
	return result{found: found, answered: true, good: clampTTL(e.ttl), err: e.err}
}

// wait sleeps: name servers do not call.
func (s *dnsSource) wait(ctx context.Context, d time.Duration) { sleep(ctx, d) }

// close has nothing to free.
func (s *dnsSource) close() {}
