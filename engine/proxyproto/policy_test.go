package proxyproto

import (
	"testing"

	"sluice/engine/record"
	"sluice/internal/assert"
)

func TestProxyPolicyJudges(t *testing.T) {
	t.Parallel()
	const v1 = "PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n"
	type verdict struct {
		n      int
		status Status
		why    record.Reason
	}
	partial, absent := verdict{0, Partial, record.None}, verdict{0, Absent, record.None}
	bad := func(why record.Reason) verdict { return verdict{0, Bad, why} }
	for _, c := range []struct {
		text              string
		eof               bool
		accepted, require verdict
	}{
		{v1 + "GET", false, verdict{len(v1), Complete, record.None}, verdict{len(v1), Complete, record.None}},
		{v1, true, verdict{len(v1), Complete, record.None}, verdict{len(v1), Complete, record.None}},
		{"GET / HTTP/1.1\r\n", false, absent, bad(record.ProxyHeaderMissing)},
		{"PROXY TCP4 192.0.2.1", false, partial, partial},
		{"PROXY TCP4 192.0.2.1", true, bad(record.ProxyHeaderBad), bad(record.ProxyHeaderBad)},
		{"PROXY TCP9 192.0.2.1 192.0.2.2 1000 80\r\n", false, bad(record.ProxyHeaderBad), bad(record.ProxyHeaderBad)},
		{"P", false, partial, partial},
		{"P", true, absent, bad(record.ProxyHeaderBad)}, // a short message that might have become a header
		{"", false, partial, partial},
		{"", true, absent, bad(record.ClientGone)},
	} {
		for required, want := range map[bool]verdict{false: c.accepted, true: c.require} {
			policy := Policy{Read: true, Required: required}
			h, n, status, why := policy.Judge([]byte(c.text), c.eof)
			if status != Complete {
				n = 0
			}
			if got := (verdict{n, status, why}); got != want {
				t.Errorf("%q, end %v, required %v: got %v, want %v", c.text, c.eof, required, got, want)
			}
			if status == Complete && h.Source.String() != "192.0.2.1:1000" {
				t.Errorf("%q: from %v", c.text, h.Source)
			}
		}
	}
}

// Who waits for the server to speak first says nothing, which is in order where no header is required.
func TestProxyPolicyOverdue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		required bool
		ahead    string
		want     record.Reason
	}{
		{false, "", record.None},
		{true, "", record.ProxyHeaderTimeout},
		{false, "PROXY TCP4 192", record.ProxyHeaderTimeout},
		{true, "PROXY TCP4 192", record.ProxyHeaderTimeout},
	} {
		policy := Policy{Read: true, Required: c.required}
		assert.Equal(t, policy.Overdue([]byte(c.ahead)), c.want)
	}
}
