package discover

// Asking name servers the way the system's resolver does, with two differences that follow from what is at stake.
//
// A name server that fails or is silent is followed by the next. But a name of the search list whose answer could not be had ends
// the search: with the next name, an outage would send traffic to whoever has that one. And the news that a name does not
// exist counts only if every name that it may mean is known not to.

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"sluice/engine/watch"
)

// passes is how often the list of name servers is gone through for one question: a lost datagram is not an outage.
const passes = 2

// A resolver asks. Questions may be asked at the same time, refresh may not.
type resolver struct {
	fixed  []netip.AddrPort // what the configuration says; none = the system's
	system resolvConf
	hosts  hosts
	first  atomic.Int64 // the name server that answered last in this round
}

// newResolver returns one that has read nothing yet.
func newResolver(o Options) *resolver {
	return &resolver{
		fixed:  o.Resolvers,
		system: resolvConf{file: watch.File{Path: o.resolvConf, Max: resolvConfMax}},
		hosts:  hosts{file: watch.File{Path: o.hosts, Max: hostsMax}},
	}
}

// refresh begins a round: with the files as they are now, and with the first name server. Within the round a dead one is met
// once; the next round tries it again, because the order of name servers is somebody's wish.
func (r *resolver) refresh() {
	r.hosts.refresh()
	if len(r.fixed) == 0 {
		r.system.refresh()
	}
	r.first.Store(0)
}

// servers returns whom to ask.
func (r *resolver) servers() []netip.AddrPort {
	if len(r.fixed) > 0 {
		return r.fixed
	}
	return r.system.servers
}

// candidates returns the fully qualified names that name may mean. What a search domain makes too long is none.
func (r *resolver) candidates(name string) []string {
	if len(r.fixed) > 0 {
		return []string{dns.Fqdn(name)}
	}
	return slices.DeleteFunc(r.system.candidates(name), func(fqdn string) bool {
		_, ok := dns.IsDomainName(fqdn)
		return !ok
	})
}

// ask returns the first answer that decides. The error is that of the server asked last.
func (r *resolver) ask(ctx context.Context, fqdn string, qtype uint16) (*dns.Msg, error) {
	servers := r.servers()
	first := int(r.first.Load())
	var failure error
	for i := range passes * len(servers) {
		at := (first + i) % len(servers)
		answer, err := exchange(ctx, servers[at], newQuestion(fqdn, qtype))
		if err == nil {
			r.first.Store(int64(at))
			return answer, nil
		}
		if failure == nil || ctx.Err() == nil {
			failure = err // one that was cut short says less than the one before
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, failure
}

// A family is what is known of a name's IPv4 or IPv6 addresses. None, and no error, is what a server has said.
type family struct {
	addrs []netip.Addr
	ttl   time.Duration
	err   error
}

// addresses asks for A and AAAA records of the first candidate that has any.
func (r *resolver) addresses(ctx context.Context, name string) (families [2]family) {
	for _, fqdn := range r.candidates(name) {
		var both sync.WaitGroup
		for i, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
			both.Go(func() { families[i] = r.family(ctx, fqdn, qtype) })
		}
		both.Wait()
		for _, f := range families {
			if len(f.addrs) > 0 || f.err != nil {
				return families
			}
		}
	}
	return families
}

// family asks for one type of addresses of one name.
func (r *resolver) family(ctx context.Context, fqdn string, qtype uint16) family {
	answer, err := r.ask(ctx, fqdn, qtype)
	if err != nil {
		return family{err: err}
	}
	records, ttl := collect(answer, fqdn, qtype)
	return family{addrs: addressesIn(records), ttl: ttl}
}

// services asks for the SRV records of the first candidate that has any, and returns the whole answer with them: it may contain
// the addresses of the targets.
func (r *resolver) services(ctx context.Context, name string) (records []dns.RR, ttl time.Duration, answer *dns.Msg, err error) {
	for _, fqdn := range r.candidates(name) {
		answer, err = r.ask(ctx, fqdn, dns.TypeSRV)
		if err != nil {
			return nil, 0, nil, err
		}
		if records, ttl = collect(answer, fqdn, dns.TypeSRV); len(records) > 0 {
			return records, ttl, answer, nil
		}
	}
	return nil, 0, nil, fmt.Errorf("%s: %w", name, ErrVanished)
}
