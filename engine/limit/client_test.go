package limit

import (
	"net/netip"
	"testing"

	"sluice/internal/assert"
)

func TestClientKey(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"192.0.2.7":              "192.0.2.7",
		"::ffff:192.0.2.7":       "192.0.2.7",
		"2001:db8:1:2:3:4:5:6":   "2001:db8:1:2::",
		"2001:db8:1:2::":         "2001:db8:1:2::",
		"fe80::1:2:3:4%eth0":     "fe80::",
		"2001:db8:1:3:ffff::abc": "2001:db8:1:3::",
	} {
		assert.Equal(t, ClientKey(netip.MustParseAddr(text)).String(), want)
	}
}
