package sock

// Whose PROXY headers are read, and what becomes of connections without one.

import (
	"net/netip"

	"sluice/engine/record"
	"sluice/engine/route"
)

// ProxyPolicy says whose PROXY headers are read.
type ProxyPolicy struct {
	Read     bool // from the peers in From, or from everybody when that is empty
	Required bool // close a connection without a header
	From     route.Prefixes
}

// Expects reports whether peer may, or has to, begin with a header.
func (p *ProxyPolicy) Expects(peer netip.Addr) bool {
	return p.Read && (p.From.Empty() || p.From.Contains(peer))
}

// Judge decides about the first bytes of a connection; eof says that there will be no more. With ProxyPartial the caller
// waits for more; with ProxyComplete the header takes n bytes; with ProxyAbsent the connection goes on without one; and
// with ProxyBad it has to be closed for why, which is ClientGone if it has said nothing at all.
func (p *ProxyPolicy) Judge(b []byte, eof bool) (h ProxyHeader, n int, status ProxyStatus, why record.Reason) {
	h, n, status = ParseProxy(b)
	if status == ProxyPartial && eof && !p.Required && !ProxyBegun(b) {
		status = ProxyAbsent // a short message, that might have become a header
	}
	switch {
	case status == ProxyPartial && !eof, status == ProxyComplete, status == ProxyAbsent && !p.Required:
		return h, n, status, record.None
	case len(b) == 0 && p.Required:
		return h, 0, ProxyBad, record.ClientGone
	case status == ProxyAbsent:
		return h, 0, ProxyBad, record.ProxyHeaderMissing
	}
	return h, 0, ProxyBad, record.ProxyHeaderBad
}

// Overdue decides about a connection whose header is not complete in time: None lets it go on without one, because a
// client that waits for the server to speak first sends nothing.
func (p *ProxyPolicy) Overdue(ahead []byte) record.Reason {
	if p.Required || ProxyBegun(ahead) {
		return record.ProxyHeaderTimeout
	}
	return record.None
}
