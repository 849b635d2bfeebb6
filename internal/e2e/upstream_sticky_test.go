package e2e

// Sticky sessions: a cookie leads back to the server that set it.

import (
	"net/http"
	"strings"
	"syscall"
	"testing"

	"sluice/internal/assert"
)

// sticky is three servers and a cookie whose key survives the process.
const sticky = `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: http, upstream: back}}
upstreams: {back: {servers: [%s], balance: round_robin, sticky: {cookie: srv, ttl: 1h, key: "0123456789abcdef"}}}
admin: "127.0.0.1:PORT2"
runtime: {loops: 2}
`

// cookieOf is the cookie that an answer sets; "" if it sets none.
func cookieOf(a answer) string {
	for _, c := range a.Cookies() {
		if c.Name == "srv" {
			return c.Name + "=" + c.Value
		}
	}
	return ""
}

// returns asks n times, on new connections to either loop, with a cookie, and counts who answers.
func (p *proxy) returns(n int, cookie string) map[string]int {
	p.t.Helper()
	counts := map[string]int{}
	for range n {
		b := p.browser()
		a := b.gets("/", "Cookie", "theme=dark; "+cookie+"; lang=en")
		assert.Equal(p.t, cookieOf(a), "") // it is the right one already
		counts[a.body]++
		b.leaves()
	}
	return counts
}

func TestUpstreamSticky(t *testing.T) {
	t.Parallel()
	all := map[string]*rising{"north": rises(t, "north"), "south": rises(t, "south"), "west": rises(t, "west")}
	list := quoted(all["north"].address, all["south"].address, all["west"].address)
	p := run(t, sticky, list)
	first := p.browser().gets("/")
	cookie := cookieOf(first)
	has(t, first.Header.Get("Set-Cookie"), "srv=", "Path=/", "HttpOnly", "Max-Age=3600")
	if strings.Contains(cookie, first.body) || strings.Contains(cookie, all[first.body].address) {
		t.Errorf("the cookie %s tells where the server is", cookie)
	}
	home := first.body
	assert.Equal(t, p.returns(12, cookie), map[string]int{home: 12})

	forged := p.browser().gets("/", "Cookie", "srv="+strings.Repeat("A", len(cookie)-len("srv=")))
	assert.Equal(t, cookieOf(forged) != "", true)

	// The same after a restart, for a proxy with the same key.
	p.signal(syscall.SIGTERM)
	p.exits(0)
	p = run(t, sticky, list)
	assert.Equal(t, p.returns(12, cookie), map[string]int{home: 12})

	// Another server takes over when the one of the cookie is told to drain, or is lost, and says so.
	p.tells(all[home].address, "drain", `{"draining": true}`)
	other := p.browser().gets("/", "Cookie", cookie)
	assert.Equal(t, other.body != home && cookieOf(other) != "" && cookieOf(other) != cookie, true)
	assert.Equal(t, p.returns(6, cookieOf(other)), map[string]int{other.body: 6})
	p.tells(all[home].address, "drain", `{"draining": false}`)
	assert.Equal(t, p.returns(6, cookie), map[string]int{home: 6})
	all[home].site.dies()
	for range 6 {
		fallback := p.browser().gets("/", "Cookie", cookie)
		assert.Equal(t, fallback.StatusCode, http.StatusOK)
		assert.Equal(t, fallback.body != home && cookieOf(fallback) != cookie, true)
	}
}

// A client comes back to its server while that is busy elsewhere; when it is full the client is led on.
func TestUpstreamStickyToAFullServer(t *testing.T) {
	t.Parallel()
	s := turnstiles(t)
	p := run(t, limited, `{address: "`+s.address+`", max_connections: 1}, "`+site(t, names("b")).address+`"`,
		`balance: first, sticky: srv, queue: {size: 4}`)
	first := p.dial(1)
	first.asksFor("/")
	assert.Equal(t, s.next(t), "/")
	_, fields := first.hearsHead()
	var cookie string
	for _, field := range fields {
		if value, ok := strings.CutPrefix(field, "Set-Cookie: "); ok {
			cookie, _, _ = strings.Cut(value, ";")
		}
	}
	first.asksFor("/busy")
	assert.Equal(t, <-s.came, "/busy")
	assert.Equal(t, p.browser().gets("/", "Cookie", cookie).body, "b")
	s.goes <- ""
	first.hearsHead()
}
