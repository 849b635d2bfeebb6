package proxyproto

// Whose PROXY headers are read, and what becomes of connections without one.

import (
	"net/netip"

	"sluice/engine/record"
	"sluice/engine/route"
)

// Policy says whose PROXY headers are read.
type Policy struct {
	Read     bool // from the peers in From, or from everybody when that is empty
	Required bool // close a connection without a header
	From     route.Prefixes
}

// Expects reports whether peer may, or has to, begin with a header.
func (p *Policy) Expects(peer netip.Addr) bool {
	return p.Read && (p.From.Empty() || p.From.Contains(peer))
}

// Judge decides about the first bytes of a connection; eof says that there will be no more. With Partial the caller
// waits for more; with Complete the header takes n bytes; with Absent the connection goes on without one; and
// with Bad it has to be closed for why, which is ClientGone if it has said nothing at all.
func (p *Policy) Judge(b []byte, eof bool) (h Header, n int, status Status, why record.Reason) {
	h, n, status = Parse(b)
	if status == Partial && eof && !p.Required && !Begun(b) {
		status = Absent // a short message, that might have become a header
	}
	switch {
	case status == Partial && !eof, status == Complete, status == Absent && !p.Required:
		return h, n, status, record.None
	case len(b) == 0 && p.Required:
		return h, 0, Bad, record.ClientGone
	case status == Absent:
		return h, 0, Bad, record.ProxyHeaderMissing
	}
	return h, 0, Bad, record.ProxyHeaderBad
}

// Overdue decides about a connection whose header is not complete in time: None lets it go on without one, because a
// client that waits for the server to speak first sends nothing.
func (p *Policy) Overdue(ahead []byte) record.Reason {
	if p.Required || Begun(ahead) {
		return record.ProxyHeaderTimeout
	}
	return record.None
}
