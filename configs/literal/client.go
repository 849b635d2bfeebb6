package literal

// What connections are told apart by: addresses of clients, and the SNI and ALPN of a ClientHello.

import (
	"fmt"
	"net/netip"
	"strings"
)

// Prefix reads "10.0.0.0/8" or a single address. IPv4-mapped prefixes become IPv4 ones: clients are unmapped everywhere.
func Prefix(text string) (netip.Prefix, error) {
	const hint = "write 10.0.0.0/8, 2001:db8::/32 or a single address"
	p, err := netip.ParsePrefix(text)
	if err != nil {
		ip, err := netip.ParseAddr(text)
		if err != nil || ip.Zone() != "" {
			return netip.Prefix{}, Bad(hint, "%q is not a CIDR or an IP address", text)
		}
		p = netip.PrefixFrom(ip, ip.BitLen())
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p.Masked() != p {
		return netip.Prefix{}, Bad(fmt.Sprintf("write %s, or %s for this one address", p.Masked(), p.Addr()),
			"%q has bits set after its prefix", text)
	}
	return p, nil
}

// SNI reads a pattern for the server name of a hello. Host names travel in it without a final dot and never as an
// IP address (RFC 6066, section 3), so patterns of that form could never match.
func SNI(s string) (string, error) {
	const hint = `write a host name, "*.suffix", "*" for any TLS hello, or "" for a hello without a name`
	pattern := strings.ToLower(s)
	if pattern == "" || pattern == "*" {
		return pattern, nil
	}
	host := strings.TrimPrefix(pattern, "*.")
	switch {
	case strings.Contains(host, "*"):
		return "", Bad(hint, "%q is not a pattern: '*' stands only for the labels before a suffix", s)
	case strings.HasSuffix(host, "."):
		return "", Bad("write "+strings.TrimRight(pattern, "."), "%q never matches: names in a hello have no final dot", s)
	case looksLikeIP(host):
		return "", Bad(`clients that connect by address send no name: match them with ""`, "%q never matches: a hello never names an IP address", s)
	}
	if why := badHostName(host); why != "" {
		return "", Bad(hint, "%q is not a host name: %s", s, why)
	}
	return pattern, nil
}

// ALPN checks a protocol name (RFC 7301, section 3.1).
func ALPN(s string) (string, error) {
	if len(s) == 0 || len(s) > 255 {
		return "", Bad("as in h2 or http/1.1", "an ALPN protocol has 1 to 255 bytes, this one has %d", len(s))
	}
	return s, nil
}
