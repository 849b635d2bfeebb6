package upstream

import (
	"strings"
	"testing"
	"time"

	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/lease"
	"sluice/engine/record"
	"sluice/internal/assert"
)

const stickyKey = "0123456789abcdef"

// sticky is a rig with n servers and a cookie called "srv".
func sticky(t *testing.T, n int, ttl time.Duration) *rig {
	t.Helper()
	r := retrying(t, n)
	s := NewSticky(&configs.Sticky{Cookie: "srv", Key: stickyKey, TTL: ttl}, nil)
	u := r.proxy.Upstream
	var specs []lease.Spec
	for _, b := range u.Set().Backends() {
		specs = append(specs, lease.Spec{Name: b.Name, Addr: b.Addr, Weight: 1})
	}
	u.Sign = func(address string) string { return s.Label("app", address) }
	u.Replace(nil) // those without a label
	u.Replace(specs)
	r.proxy.Sticky = s
	return r
}

// visit is one request with that cookie: who answers, and what cookie is set.
func (r *rig) visit(cookie string) (from, set string) {
	r.t.Helper()
	if cookie == "" {
		r.ask("GET", "")
	} else {
		r.ask("GET", "", "Cookie", cookie)
	}
	if len(r.backs) == 0 || r.back().x == nil || r.back().finished+r.back().cancelled > 0 {
		r.connect()
	}
	r.back().answers(200, "")
	set = r.cookie()
	return r.over(record.Done, 200).Server, set
}

// cookie is the one that the answer sets.
func (r *rig) cookie() string {
	value, _ := r.x.Response.Get("Set-Cookie")
	return string(value)
}

func TestWithoutACookie(t *testing.T) {
	t.Parallel()
	assert.Equal(t, NewSticky(nil, nil) == nil, true)
	r := retrying(t, 2)
	from, set := r.visit("srv=x")
	assert.Equal(t, []string{from, set}, []string{server(1), ""})
	r.home()
}

// A client comes back to its server, and is told once; a cookie that names nobody is as good as none.
func TestAClientComesBack(t *testing.T) {
	t.Parallel()
	r := sticky(t, 3, 0)
	value := func(i int) string { return "srv=" + r.backend(i).Label }
	const after = "; Path=/; HttpOnly; SameSite=Lax"
	for _, c := range []struct{ cookie, from, set string }{
		{"", server(1), value(1) + after},
		{value(1), server(1), ""},
		{value(3), server(3), ""},
		{"a=b; " + value(2) + "; c=d", server(2), ""},
		{"srv=", server(1), value(1) + after},
		{"srv=nobody", server(1), value(1) + after},
		{"srv=" + server(3), server(1), value(1) + after}, // an address is no label
		{"other=" + r.backend(3).Label, server(1), value(1) + after},
		{"srv=" + NewSticky(&configs.Sticky{Key: "another key 1234"}, nil).Label("app", server(3)), server(1), value(1) + after},
	} {
		r.dialer.CloseIdle()
		if from, set := r.visit(c.cookie); from != c.from || set != c.set {
			t.Errorf("%q: got %s %q, want %s %q", c.cookie, from, set, c.from, c.set)
		}
	}
	r.home()
}

// When the server is gone, or not fit, another one takes over, and the cookie says so.
func TestTheServerOfACookieIsGone(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(b *lease.Backend){
		"down":     func(b *lease.Backend) { b.SetDown(true) },
		"ejected":  func(b *lease.Backend) { b.SetEjected(true) },
		"draining": func(b *lease.Backend) { b.SetDraining(true) },
		"removed":  func(b *lease.Backend) { b.SetRemoved(true) },
	} {
		r := sticky(t, 3, 0)
		lose(r.backend(2))
		from, set := r.visit("srv=" + r.backend(2).Label)
		if from != server(1) || !strings.HasPrefix(set, "srv="+r.backend(1).Label+";") {
			t.Errorf("%s: %s, %q", name, from, set)
		}
		r.home()
	}
	r := sticky(t, 3, 0) // it fails this request
	r.ask("GET", "", "Cookie", "srv="+r.backend(2).Label)
	r.connect()
	r.back().fails(record.Error{Kind: record.ServerReset, Retry: record.RetryIfReused})
	r.connect()
	r.back().answers(200, "")
	assert.Equal(t, strings.HasPrefix(r.cookie(), "srv="+r.backend(1).Label+";"), true)
	assert.Equal(t, r.over(record.Done, 200).Server, server(1))
	r.home()

	r = sticky(t, 2, 0) // it cannot be reached
	r.ask("GET", "", "Cookie", "srv="+r.backend(2).Label)
	r.refused()
	r.connect()
	r.back().answers(200, "")
	assert.Equal(t, strings.HasPrefix(r.cookie(), "srv="+r.backend(1).Label+";"), true)
	assert.Equal(t, r.over(record.Done, 200).Server, server(1))
	r.home()
}

// Nobody is led back to a server that has just said that it cannot serve.
func TestAnUnfitServerKeepsNoClient(t *testing.T) {
	t.Parallel()
	for status, sets := range map[int]bool{200: true, 404: true, 500: true, 502: false, 503: false, 504: false} {
		r := sticky(t, 1, 0)
		r.ask("GET", "")
		r.connect()
		r.back().answers(status, "")
		assert.Equal(t, r.cookie() != "", sets)
		r.over(record.Done, status)
		r.home()
	}
}

func TestTheCookiesAttributes(t *testing.T) {
	t.Parallel()
	for ttl, want := range map[time.Duration]string{
		0: "; Path=/; HttpOnly; SameSite=Lax", 90 * time.Minute: "; Path=/; HttpOnly; SameSite=Lax; Max-Age=5400",
	} {
		for scheme, secure := range map[string]string{"http": "", "https": "; Secure"} {
			r := sticky(t, 1, ttl)
			r.ask("GET", "")
			r.x.Scheme = scheme
			r.connect()
			r.back().answers(200, "")
			assert.Equal(t, r.cookie(), "srv="+r.backend(1).Label+want+secure)
			r.over(record.Done, 200)
			r.home()
		}
	}
}

// The same key makes the same labels, in every instance; without a key, each process has its own.
func TestLabelsOfServers(t *testing.T) {
	t.Parallel()
	one, same := NewSticky(&configs.Sticky{Key: stickyKey}, nil), NewSticky(&configs.Sticky{Key: stickyKey}, nil)
	label := one.Label("app", "10.0.0.1:80")
	assert.Equal(t, []any{len(label), same.Label("app", "10.0.0.1:80")}, []any{16, label})
	assert.Equal(t, strings.Trim(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), "") // fit for a cookie as it is
	random := NewSticky(&configs.Sticky{}, nil)
	for what, other := range map[string]string{
		"another address":  one.Label("app", "10.0.0.1:81"),
		"another upstream": one.Label("ap", "p10.0.0.1:80"),
		"another key":      NewSticky(&configs.Sticky{Key: stickyKey + "!"}, nil).Label("app", "10.0.0.1:80"),
		"a random key":     random.Label("app", "10.0.0.1:80"),
		"another one":      NewSticky(&configs.Sticky{}, nil).Label("app", "10.0.0.1:80"),
	} {
		if other == label {
			t.Errorf("%s: the same label", what)
		}
	}
	assert.Equal(t, random.Label("a", "b"), random.Label("a", "b"))
}

// Finding the server of a cookie costs no memory.
func TestAllocPreferred(t *testing.T) {
	r := sticky(t, 3, 0)
	var x exchange.Exchange
	x.Request.AddString("Cookie", "a=b; srv="+r.backend(3).Label)
	assert.Allocs(t, 0, func() {
		if r.proxy.preferred(&x) != r.backend(3) {
			t.Fatal("not found")
		}
	})
}

// A made key outlives a reload, whatever else of the cookie changes; a key of the user's does not stay behind.
func TestStickyKeyOutlivesAReload(t *testing.T) {
	t.Parallel()
	label := func(s *Sticky) string { return s.Label("app", "10.0.0.1:80") }
	made := NewSticky(&configs.Sticky{Cookie: "a"}, nil)
	next := NewSticky(&configs.Sticky{Cookie: "b", TTL: time.Hour}, made)
	assert.Equal(t, label(next), label(made))
	assert.Equal(t, label(NewSticky(&configs.Sticky{}, next)), label(made))
	named := NewSticky(&configs.Sticky{Key: stickyKey}, made)
	assert.Equal(t, label(named), label(NewSticky(&configs.Sticky{Key: stickyKey}, nil)))
	assert.Equal(t, label(NewSticky(&configs.Sticky{}, named)) != label(named), true)
}
