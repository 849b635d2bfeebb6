package lease

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sluice/configs"
	"sluice/engine/key"
	"sluice/engine/lookup"
	"sluice/internal/assert"
)

// names is a lookup.Resolver with a table.
type names map[string][]string

func (n names) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if _, bounded := ctx.Deadline(); !bounded || network != "ip" {
		return nil, fmt.Errorf("asked for %q without a deadline", network)
	}
	found, ok := n[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	var ips []netip.Addr
	for _, ip := range found {
		ips = append(ips, netip.MustParseAddr(ip))
	}
	return ips, nil
}

// parse loads a configuration whose upstream app is written in text.
func parse(t *testing.T, text string) *configs.Config {
	t.Helper()
	cfg, err := configs.Parse("test.yaml", []byte(
		"listeners: {web: {bind: \":8080\", protocol: tcp, upstream: app}}\nupstreams:\n  app:\n"+text))
	assert.NoError(t, err)
	return cfg
}

func compileText(t *testing.T, text string, resolver lookup.Resolver) (*Upstream, configs.Issues) {
	t.Helper()
	cfg := parse(t, text)
	u, _, issues := Compile(&cfg.Upstreams[0], Deps{Config: cfg, Resolver: resolver, Loops: 2, Seed: 1})
	return u, issues
}

func TestCompile(t *testing.T) {
	t.Parallel()
	u, issues := compileText(t, `
    servers:
      - "10.0.0.1:80"
      - {address: "[::ffff:10.0.0.2]:81", weight: 3, max_connections: 7}
      - {address: "unix:/run/app.sock", backup: true}
      - {address: "db.internal:5432", weight: 2}
    balance: hash
    hash_on: sni
    proxy_protocol: v2
    timeouts: {connect: 700ms}
`, names{"db.internal": {"10.1.0.1", "fd00::1", "::ffff:10.1.0.1"}})
	assert.Equal(t, len(issues), 0)
	type row struct {
		name, at    string
		weight, max int
		backup      bool
	}
	var got []row
	for _, m := range u.Set().Members() {
		got = append(got, row{m.Name, m.Addr.String(), m.Weight, int(m.MaxConnections), m.Backup})
	}
	assert.Equal(t, got, []row{
		{"10.0.0.1:80", "10.0.0.1:80", 1, 0, false},
		{got[1].name, "10.0.0.2:81", 3, 7, false},
		{"unix:/run/app.sock", "unix:/run/app.sock", 1, 0, true},
		{"db.internal:5432 (10.1.0.1)", "10.1.0.1:5432", 2, 0, false}, // once, although the name has it twice
		{"db.internal:5432 (fd00::1)", "[fd00::1]:5432", 2, 0, false},
	})
	assert.Equal(t, u.Policy(), Hash)
	assert.Equal(t, u.Key == key.SNI, true)
	assert.Equal(t, u.Proxy, ProxyVersion(2))
	assert.Equal(t, u.Connect, 700*time.Millisecond)
	for i := range 2 {
		assert.Equal(t, u.now.Load().cursors[i].Pick(42, nil) != nil, true)
	}
}

// Every name that does not resolve is named, with its place, at once.
func TestCompileReportsEveryName(t *testing.T) {
	t.Parallel()
	u, issues := compileText(t, `
    servers:
      - "nowhere.internal:80"
      - "10.0.0.1:80"
      - {address: "lost.internal:81"}
`, names{})
	assert.Equal(t, u == nil, true)
	assert.Equal(t, len(issues), 2)
	for i, want := range []string{"test.yaml:6:9: ", "test.yaml:8:9: "} {
		text := issues[i].Error()
		name := []string{"nowhere.internal", "lost.internal"}[i]
		if !strings.HasPrefix(text, want) || !strings.Contains(text, "the name "+name+" does not resolve: no such host") {
			t.Errorf("got %s", text)
		}
	}
}
