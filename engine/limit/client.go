package limit

import "net/netip"

// ClientKey is what counts as one client: an IPv4 address, or an IPv6 /64, which is what one site is given.
func ClientKey(ip netip.Addr) netip.Addr {
	ip = ip.Unmap()
	if ip.Is4() {
		return ip
	}
	p, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return ip
	}
	return p.Addr()
}
