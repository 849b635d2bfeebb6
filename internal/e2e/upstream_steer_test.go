package e2e

// Steering: weights and drains at run time, slow starts, and where they can be seen.

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"sluice/internal/assert"
)

// steered is two servers in turn, on one loop, so that shares are exact.
const steered = `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: http, upstream: back}}
upstreams: {back: {servers: [%s], balance: round_robin, %s}}
admin: {bind: "127.0.0.1:PORT2"}
runtime: {loops: 1}
`

// shares asks n times and counts who answers.
func (b *browser) shares(n int) map[string]int {
	b.t.Helper()
	counts := map[string]int{}
	for range n {
		counts[b.gets("/").body]++
	}
	return counts
}

// status is what `sluice status --json` prints of the only upstream.
func (p *proxy) status() upstream {
	p.t.Helper()
	path, err := product()
	assert.NoError(p.t, err)
	cmd := exec.Command(path, "status", "--json", "-c", filepath.Join(p.dir, "sluice.yaml"))
	cmd.Dir, cmd.Env = p.dir, environment()
	out, err := cmd.Output()
	assert.NoError(p.t, err)
	var got struct{ Upstreams []upstream }
	assert.NoError(p.t, json.Unmarshal(out, &got))
	assert.Equal(p.t, len(got.Upstreams), 1)
	return got.Upstreams[0]
}

func TestUpstreamWeightsAtRunTime(t *testing.T) {
	t.Parallel()
	one, two := site(t, names("one")).address, site(t, names("two")).address
	p := run(t, steered, quoted(one, two), "slow_start: 0s")
	b := p.browser()
	assert.Equal(t, b.shares(40), map[string]int{"one": 20, "two": 20})
	assert.Equal(t, p.tells(two, "weight", `{"weight": 3}`).Weight, 3)
	assert.Equal(t, b.shares(40), map[string]int{"one": 10, "two": 30})
	series := func(metric, server string) string {
		return fmt.Sprintf("%s{upstream=%q,server=%q}", metric, "back", server)
	}
	assert.Equal(t, p.metric(series("sluice_server_weight", two)), "3")
	assert.Equal(t, p.status().Servers[1].Weight, 3)
	assert.Equal(t, p.tells(two, "weight", `{"weight": 0}`).Weight, 0)
	assert.Equal(t, b.shares(10), map[string]int{"one": 10})
	p.tells(two, "weight", `{"weight": 1}`)

	long := p.dial(1)
	long.asksFor("/")
	long.hearsHead()
	assert.Equal(t, p.tells(one, "drain", `{"draining": true}`).State, "draining")
	assert.Equal(t, b.shares(10), map[string]int{"two": 10})
	assert.Equal(t, p.status().Servers[0].State, "draining")
	assert.Equal(t, p.metric(series("sluice_server_up", one)), "0")
	p.tells(one, "drain", `{"draining": true}`) // again is no news
	p.logs(1, "server is draining", "server="+one)
	assert.Equal(t, p.tells(one, "drain", `{"draining": false}`).State, "up")
	p.logs(1, "no longer draining", "server="+one)
	assert.Equal(t, b.shares(10), map[string]int{"one": 5, "two": 5})
	assert.Equal(t, p.logged("weight is changed"), 3)
}

// A server that comes back begins with a small share, which grows to the whole.
func TestUpstreamSlowStart(t *testing.T) {
	t.Parallel()
	one, two := site(t, names("one")).address, site(t, names("two")).address
	comesBack := func(lasts string) (*proxy, *browser) {
		p := run(t, steered, quoted(one, two), "slow_start: "+lasts)
		b := p.browser()
		assert.Equal(t, p.server(one).SlowStart, 1000) // those of the beginning do not start slowly
		assert.Equal(t, b.shares(10), map[string]int{"one": 5, "two": 5})
		p.tells(one, "drain", `{"draining": true}`)
		p.tells(one, "drain", `{"draining": false}`)
		return p, b
	}
	p, b := comesBack("1h")
	if first := b.shares(60); first["one"] == 0 || first["one"] > 12 {
		t.Errorf("%v at the beginning of a slow start", first)
	}
	if share := p.status().Servers[0].SlowStart; share >= 200 {
		t.Errorf("a share of %d thousandths at the beginning of a slow start", share)
	}
	p, b = comesBack("1s")
	assert.Eventually(t, func() bool { return p.server(one).SlowStart == 1000 })
	assert.Equal(t, b.shares(10), map[string]int{"one": 5, "two": 5})
}
