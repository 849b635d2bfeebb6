// Package lookup finds the addresses of names that do not change while a configuration is in force.
package lookup

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Resolver finds the addresses of a name; *net.Resolver is one.
type Resolver interface {
	// LookupNetIP returns the addresses of host; network is "ip".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// timeout bounds the look-up of one name at start.
const timeout = 5 * time.Second

// Addresses are those of a host, in an order that does not depend on who answers.
func Addresses(host string, by Resolver) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	found, err := by.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	seen := make(map[netip.Addr]bool, len(found))
	var ips []netip.Addr
	for _, ip := range found {
		if ip = ip.Unmap(); !seen[ip] {
			seen[ip] = true
			ips = append(ips, ip)
		}
	}
	slices.SortFunc(ips, netip.Addr.Compare) // name servers like to turn them round, which changes nothing
	return ips, nil
}

// Plain is the cause of a failed look-up without the library's own prefix.
func Plain(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return dns.Err
	}
	return err.Error()
}
