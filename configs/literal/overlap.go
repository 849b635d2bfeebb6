package literal

// Which addresses cannot be opened beside each other.

import (
	"net/netip"
	"strings"
)

// Overlaps returns the numbers of addresses that overlap, the earlier one first, each address at most once as the later one: ":80"
// takes every address of both families, "0.0.0.0:80" every one of IPv4 and "[::]:80" every one of IPv6, so that only the last two
// fit beside each other. The kernel would let a single address stand beside a wildcard, but the proxy opens each address
// exclusively at first, to notice other processes; it would find itself. Zero addresses are left out.
func Overlaps(addresses []Address) (pairs [][2]int) {
	taken, inside := map[Address]int{}, map[Address]int{} // by socket; by the wildcard around a single address
	for now, address := range addresses {
		if address.Network == "" {
			continue
		}
		for _, a := range sockets(address) {
			first, ok := taken[a]
			if wild := wildcard(a); !ok && wild == a {
				first, ok = inside[a]
			} else if !ok {
				first, ok = taken[wild]
			}
			if ok {
				pairs = append(pairs, [2]int{first, now})
				break
			}
			taken[a], inside[wildcard(a)] = now, now
		}
	}
	return pairs
}

// sockets returns the sockets that an address opens: a wildcard without a family opens two.
func sockets(a Address) []Address {
	if a.Network == "unix" || a.Host != "" {
		return []Address{a}
	}
	v4, v6 := a, a
	v4.Host, v6.Host = netip.IPv4Unspecified().String(), netip.IPv6Unspecified().String()
	return []Address{v4, v6}
}

// wildcard returns the address that takes a and all others of its family and port. A unix socket is alone.
func wildcard(a Address) Address {
	switch {
	case a.Network == "unix":
	case strings.Contains(a.Host, ":"):
		a.Host = netip.IPv6Unspecified().String()
	default:
		a.Host = netip.IPv4Unspecified().String()
	}
	return a
}
