package access

import (
	"net/netip"
	"testing"

	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/record"
	"sluice/internal/assert"
	"sluice/internal/featuretest"
)

func prefixes(list ...string) (all []netip.Prefix) {
	for _, p := range list {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// speaks is a gate that says for whom the peer speaks.
type speaks struct{ client netip.AddrPort }

func (s speaks) Check(x *exchange.Exchange) exchange.Verdict {
	x.Client = s.client
	return exchange.Next
}

func TestWhoMayComeIn(t *testing.T) {
	t.Parallel()
	assert.Equal(t, Compile(configs.ClientIP{}), nil)
	allow := configs.ClientIP{Allow: prefixes("10.0.0.0/8", "2001:db8::/32"), Deny: prefixes("10.1.0.0/16")}
	deny := configs.ClientIP{Deny: prefixes("10.0.0.0/8")}
	for _, c := range []struct {
		rules  configs.ClientIP
		client string
		in     bool
	}{
		{allow, "10.2.0.1:1", true},
		{allow, "[::ffff:10.2.0.1]:1", true},
		{allow, "[2001:db8::9]:1", true},
		{allow, "10.1.0.1:1", false},
		{allow, "192.0.2.1:1", false},
		{allow, "", false},
		{deny, "10.2.0.1:1", false},
		{deny, "192.0.2.1:1", true},
		{deny, "", true},
	} {
		var client netip.AddrPort
		if c.client != "" {
			client = netip.MustParseAddrPort(c.client)
		}
		origin := new(featuretest.Origin)
		answer := featuretest.Ask(featuretest.Request{Peer: "172.16.0.1:1"},
			&exchange.Route{Gates: []exchange.Gate{speaks{client}, Compile(c.rules)}, Handler: origin})
		if c.in {
			assert.Equal(t, answer.Status, 200)
			assert.Equal(t, answer.Reason, record.Done)
			continue
		}
		assert.Equal(t, origin.Served, 0)
		assert.Equal(t, answer.Status, 403)
		assert.Equal(t, answer.Reason, record.Denied)
		assert.Equal(t, answer.Client, client.Addr())
	}
}
