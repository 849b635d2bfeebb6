package discover

// What an answer says, read without trust: records under other names than the one asked for do not count, and chains of
// aliases end.

import (
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// aliasMax bounds a chain of CNAME records: longer ones are loops.
const aliasMax = 16

// collect returns the records of type qtype for name, following the aliases that the answer contains, and the smallest TTL on
// that way. The name is fully qualified. No records is a valid result, with the TTL 0.
func collect(answer *dns.Msg, name string, qtype uint16) (records []dns.RR, ttl time.Duration) {
	if answer.Rcode != dns.RcodeSuccess {
		return nil, 0
	}
	aliases := make(map[string]*dns.CNAME)
	for _, rr := range answer.Answer {
		if alias, ok := rr.(*dns.CNAME); ok {
			aliases[dns.CanonicalName(alias.Hdr.Name)] = alias
		}
	}
	ttl = freshMax
	name = dns.CanonicalName(name)
	for range aliasMax {
		alias, ok := aliases[name]
		if !ok {
			break
		}
		ttl = min(ttl, ttlOf(alias))
		name = dns.CanonicalName(alias.Target)
	}
	records = owned(answer.Answer, name, qtype)
	if len(records) == 0 {
		return nil, 0
	}
	for _, rr := range records {
		ttl = min(ttl, ttlOf(rr))
	}
	return records, ttl
}

// owned returns the records of one type under a canonical name.
func owned(section []dns.RR, name string, qtype uint16) (records []dns.RR) {
	for _, rr := range section {
		h := rr.Header()
		if h.Rrtype == qtype && h.Class == dns.ClassINET && dns.CanonicalName(h.Name) == name {
			records = append(records, rr)
		}
	}
	return records
}

// ttlOf is the TTL of a record. One with the top bit set counts as 0 (RFC 2181, section 8).
func ttlOf(rr dns.RR) time.Duration {
	seconds := rr.Header().Ttl
	if seconds > 1<<31-1 {
		seconds = 0
	}
	return time.Duration(seconds) * time.Second
}

// addressesIn reads A and AAAA records. Those that are none of these or unspecified are left out: 0.0.0.0 is how blocking name
// servers say no, and connecting to it would reach this machine.
func addressesIn(records []dns.RR) (addrs []netip.Addr) {
	for _, rr := range records {
		var bytes []byte
		switch rr := rr.(type) {
		case *dns.A:
			bytes = rr.A
		case *dns.AAAA:
			bytes = rr.AAAA
		}
		if addr, ok := netip.AddrFromSlice(bytes); ok && !addr.Unmap().IsUnspecified() {
			addrs = append(addrs, addr.Unmap())
		}
	}
	return addrs
}
