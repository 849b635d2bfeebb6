package discover

// The book of names: what each was last known to mean. It makes one rule true for all sources: a name that cannot be asked for
// right now keeps its addresses, each family for itself, so that a name server which is lost for AAAA does not take the
// IPv6 servers away.
//
// The rule holds even if the answer is a plain no. A name that vanishes is more often a mistake than a wish: an expired zone, a
// deployment that deletes before it creates, a split horizon seen from the wrong side. Whoever wants servers gone takes their
// addresses away one by one, or the name out of the configuration; here it is reported, and the servers stay, to be judged by
// their health.

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"sluice/engine/watch"
)

// lookUpsAtOnce bounds the names that one watcher asks for at the same time.
const lookUpsAtOnce = 8

// A book remembers the names of its last round.
type book struct {
	resolver *resolver
	known    map[string][2][]netip.Addr // by name, IPv4 and IPv6
}

// newBook returns an empty book.
func newBook(o Options) *book { return &book{resolver: newResolver(o)} }

// An entry is what a name means now. An err beside addrs says that these may be out of date; without addrs there are none.
type entry struct {
	addrs []netip.Addr
	ttl   time.Duration
	err   error
}

// lookUp returns the entries of names, those that are given as given. What was known of other names is forgotten. The caller
// has called refresh.
func (b *book) lookUp(ctx context.Context, names []string, given map[string][]netip.Addr) map[string]entry {
	entries := make(map[string]entry, len(names))
	known := make(map[string][2][]netip.Addr, len(names))
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, lookUpsAtOnce)
	for _, name := range names {
		if addrs, ok := given[name]; ok {
			entries[name] = entry{addrs: addrs, ttl: freshMax}
			known[name] = byFamily(addrs)
		}
	}
	for _, name := range names {
		if _, ok := given[name]; ok {
			continue
		}
		old := b.known[name]
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			e, now := b.one(ctx, name, old)
			mu.Lock()
			defer mu.Unlock()
			entries[name], known[name] = e, now
		})
	}
	all.Wait()
	b.known = known
	return entries
}

// one looks a single name up. It returns what is known of it from now on.
func (b *book) one(ctx context.Context, name string, old [2][]netip.Addr) (entry, [2][]netip.Addr) {
	if addr, err := netip.ParseAddr(strings.TrimSuffix(name, ".")); err == nil {
		return entry{addrs: []netip.Addr{addr.Unmap()}, ttl: freshMax}, old
	}
	if addrs := b.resolver.hosts.lookup(name); len(addrs) > 0 {
		return entry{addrs: addrs, ttl: watch.PollEvery}, byFamily(addrs)
	}
	e := entry{ttl: freshMax}
	now := old
	var errs []error
	for i, f := range b.resolver.addresses(ctx, name) {
		if f.err != nil {
			errs = append(errs, f.err)
		} else {
			now[i] = f.addrs
		}
		if len(f.addrs) > 0 {
			e.ttl = min(e.ttl, f.ttl)
		}
		e.addrs = append(e.addrs, now[i]...)
	}
	e.err = troubles(errs)
	if len(e.addrs) > 0 {
		return e, now
	}
	if e.err == nil {
		e.err = fmt.Errorf("%s: %w", name, ErrVanished)
	}
	e.addrs = append(append(e.addrs, old[0]...), old[1]...)
	return e, old
}

// byFamily parts IPv4 from IPv6.
func byFamily(addrs []netip.Addr) (families [2][]netip.Addr) {
	for _, addr := range addrs {
		i := 0
		if addr.Is6() {
			i = 1
		}
		families[i] = append(families[i], addr)
	}
	return families
}

// troubles is the error of a look at many names: the first, and how many more there are. The log is not the place for a
// thousand of them.
func troubles(errs []error) error {
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return fmt.Errorf("%w (and %d more)", errs[0], len(errs)-1)
}
