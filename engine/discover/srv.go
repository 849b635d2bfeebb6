package discover

// srv://_service._proto.name: every address of every target is a server, with the record's port (RFC 2782).
//
// The lowest priority is the first choice, all others are backups; among equals weights are shares of the traffic:
//
//	_http._tcp.app  SRV  10 60 8080 a.app     primary, weight 60
//	_http._tcp.app  SRV  10 0  8080 b.app     primary, weight 1
//	_http._tcp.app  SRV  20 5  8080 c.app     backup, weight 5

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// weightMax is the greatest weight of a server; those of SRV records go up to 65535.
const weightMax = 256

// A srvSource looks one service up.
type srvSource struct {
	book *book
	name string
}

// look asks for the records, and for the targets whose addresses did not come along.
func (s *srvSource) look(ctx context.Context) result {
	s.book.resolver.refresh()
	records, ttl, answer, err := s.book.resolver.services(ctx, s.name)
	if err != nil {
		return result{err: err}
	}
	services, dropped := available(records)
	if len(services) == 0 {
		return result{answered: true, good: clampTTL(ttl)}
	}
	targets, given, least := targetsOf(services, answer.Extra)
	ttl = min(ttl, least)
	entries := s.book.lookUp(ctx, targets, given)

	var errs []error
	if dropped > 0 {
		errs = append(errs, fmt.Errorf("%s has more than %d records: %d are left out", s.name, listMax, dropped))
	}
	for _, target := range targets {
		ttl = min(ttl, entries[target].ttl)
		if err := entries[target].err; err != nil {
			errs = append(errs, err)
		}
	}
	found := servers(services, entries)
	return result{found: found, answered: len(found) > 0, good: clampTTL(ttl), err: troubles(errs)}
}

// wait sleeps: name servers do not call.
func (s *srvSource) wait(ctx context.Context, d time.Duration) { sleep(ctx, d) }

// close has nothing to free.
func (s *srvSource) close() {}

// available returns the records that lead somewhere, at most listMax of them, and how many are beyond that. The target "." and
// the port 0, which nothing can listen on, say that the service is decidedly not available: nobody writes them by mistake, so if
// there is nothing else, the empty list is an answer.
func available(records []dns.RR) (services []*dns.SRV, dropped int) {
	for _, rr := range records {
		service, ok := rr.(*dns.SRV)
		if !ok || service.Target == "." || service.Port == 0 {
			continue
		}
		if len(services) == listMax {
			dropped++
			continue
		}
		services = append(services, service)
	}
	return services, dropped
}

// targetsOf returns the names of the targets, each once, the addresses that came along as additional records, and the smallest
// TTL among these.
func targetsOf(services []*dns.SRV, extra []dns.RR) (targets []string, given map[string][]netip.Addr, ttl time.Duration) {
	ttl = freshMax
	came := make(map[string][]dns.RR)
	for _, rr := range extra {
		if h := rr.Header(); h.Class == dns.ClassINET && (h.Rrtype == dns.TypeA || h.Rrtype == dns.TypeAAAA) {
			name := dns.CanonicalName(h.Name)
			came[name] = append(came[name], rr)
		}
	}
	given = make(map[string][]netip.Addr)
	seen := make(map[string]bool)
	for _, service := range services {
		name := dns.CanonicalName(service.Target)
		if seen[name] {
			continue
		}
		seen[name] = true
		targets = append(targets, name)
		if addrs := addressesIn(came[name]); len(addrs) > 0 {
			given[name] = addrs
			for _, rr := range came[name] {
				ttl = min(ttl, ttlOf(rr))
			}
		}
	}
	return targets, given, ttl
}

// servers joins records and addresses.
func servers(services []*dns.SRV, entries map[string]entry) (found []Found) {
	first, heaviest := services[0].Priority, uint16(0)
	for _, service := range services {
		first, heaviest = min(first, service.Priority), max(heaviest, service.Weight)
	}
	for _, service := range services {
		name := dns.CanonicalName(service.Target)
		for _, addr := range entries[name].addrs {
			found = append(found, Found{
				Addr:   netip.AddrPortFrom(addr, service.Port),
				Name:   shown(name),
				Weight: weight(service.Weight, heaviest),
				Backup: service.Priority > first,
			})
		}
	}
	return found
}

// weight brings the weight of a record into our range, in proportion to the heaviest one. 0 means "hardly ever" and not "never"
// (RFC 2782), so it becomes 1.
func weight(w, heaviest uint16) int {
	scaled := int(w)
	if heaviest > weightMax {
		scaled = scaled * weightMax / int(heaviest)
	}
	return max(scaled, 1)
}
