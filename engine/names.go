package engine

// Looking up the names of servers at start: all at once, so that a silent name server costs one timeout and not one
// per name.

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"sluice/configs"
	"sluice/engine/lease"
	"sluice/engine/observe"
)

const (
	// lookUpTimeout bounds each look-up.
	lookUpTimeout = 5 * time.Second
	// lookUpsAtOnce bounds how many are under way.
	lookUpsAtOnce = 32
)

// answers are the results of look-ups. It is the lookup.Resolver that upstreams are compiled with.
type answers map[string]answer

type answer struct {
	ips []netip.Addr
	err error
}

// LookupNetIP returns what was found for host.
func (a answers) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	return a[host].ips, a[host].err
}

// lookUpAll looks up every name among the servers of cfg, as long as ctx lasts.
func lookUpAll(ctx context.Context, cfg *configs.Config) answers {
	found := make(answers)
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, lookUpsAtOnce)
	for _, host := range names(cfg) {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
			defer cancel()
			ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
			mu.Lock()
			defer mu.Unlock()
			found[host] = answer{ips, err}
		})
	}
	all.Wait()
	return found
}

// Look is a configs.Look: what Check would find in a file that has other mistakes. Names of servers are looked up, and
// the access log is looked at.
func Look(readable *configs.Config) configs.Issues { return lookAt(context.Background(), readable) }

func lookAt(ctx context.Context, readable *configs.Config) configs.Issues {
	var issues configs.Issues
	deps := lease.Deps{Config: readable, Resolver: lookUpAll(ctx, readable), Loops: 1}
	for _, u := range readable.Upstreams {
		for _, s := range u.Servers {
			// Alone, so that what else is wrong with the upstream does not matter.
			s.Weight = 1
			_, _, more := lease.Compile(&configs.Upstream{Name: u.Name, At: u.At, Servers: []configs.Server{s}, Balance: "first"}, deps)
			issues = append(issues, more...)
		}
	}
	if err := observe.Check(readable.Log.Access.To); err != nil {
		issues = append(issues, explainLog(readable, err))
	}
	return issues
}

// names returns the hosts of cfg that are not addresses, each once.
func names(cfg *configs.Config) []string {
	seen := make(map[string]bool)
	var list []string
	for _, u := range cfg.Upstreams {
		for _, s := range u.Servers {
			host := s.Address.Host
			if _, err := netip.ParseAddr(host); s.Discover != "" || host == "" || err == nil || seen[host] {
				continue
			}
			seen[host] = true
			list = append(list, host)
		}
	}
	return list
}
