package template

import (
	"net/netip"
	"strings"
	"testing"

	"sluice/engine/exchange"
	"sluice/internal/assert"
)

// ask is an exchange for the target and the authority.
func ask(target, authority string) *exchange.Exchange {
	x := &exchange.Exchange{Scheme: "https", Client: netip.MustParseAddrPort("[2001:db8::1]:7")}
	x.Request.Target = x.Request.StoreString(target)
	x.Request.Authority = x.Request.StoreString(authority)
	return x
}

func render(text string, x *exchange.Exchange, where Place) string {
	return string(Compile(text).Append([]byte("> "), x, where)[2:])
}

func TestPlaceholders(t *testing.T) {
	t.Parallel()
	x := ask("/a%20b/c?d=e&f?g", "WWW.Example.com:8080")
	for text, want := range map[string]string{
		"":                            "",
		"plain {{host} }":             "plain {host} }",
		"{host}":                      "www.example.com",
		"{path}|{query}|{uri}":        "/a%20b/c|d=e&f?g|/a%20b/c?d=e&f?g",
		"{client_ip} {scheme}":        "2001:db8::1 https",
		"{scheme}://{host}{uri}#{{x}": "https://www.example.com/a%20b/c?d=e&f?g#{x}",
	} {
		assert.Equal(t, render(text, x, Field), want)
	}
}

func TestWhatARequestMayLack(t *testing.T) {
	t.Parallel()
	const all = "{host}|{path}|{query}|{uri}|{client_ip}"
	unix := ask("*", "")
	unix.Client = netip.AddrPort{}
	assert.Equal(t, render(all, unix, Field), "|/||/|")
	assert.Equal(t, HasHost(unix), false)

	connect := ask("b.example:443", "[::1]:443")
	connect.Client = netip.MustParseAddrPort("[::ffff:192.0.2.1]:7")
	assert.Equal(t, render(all, connect, Field), "[::1]|/||/|192.0.2.1")
	assert.Equal(t, HasHost(connect), true)

	zone := ask("/?", "bad..host")
	zone.Client = netip.MustParseAddrPort("[fe80::1%eth0]:7")
	assert.Equal(t, render(all, zone, Field), "|/||/?|fe80::1")
}

// Placeholders speak of what was sent, once a gate has noted it.
func TestTheRecordDecides(t *testing.T) {
	t.Parallel()
	x := ask("/users", "app.internal")
	x.Record.Target, x.Record.Host = []byte("/v1/users?a"), []byte("a.example")
	assert.Equal(t, render("{host} {path} {query} {uri}", x, Field), "a.example /v1/users a /v1/users?a")
}

func TestNothingIsSmuggled(t *testing.T) {
	t.Parallel()
	x := ask("/a\r\nX: y\x00\x7f\t\"<'>\\#\xc3\xa4{}", "a.example\r\nX: y")
	assert.Equal(t, render("{uri}", x, Field), "/a%0D%0AX: y%00%7F%09\"<'>\\#\xc3\xa4{}")
	assert.Equal(t, render("{uri}", x, URI), "/a%0D%0AX:%20y%00%7F%09%22%3C'%3E%5C%23%C3%A4%7B%7D")
	assert.Equal(t, render("<{uri}>", x, Body), "</a%0D%0AX:%20y%00%7F%09%22%3C%27%3E%5C%23%C3%A4%7B%7D>")
	assert.Equal(t, render("{host}", x, Field), "")
}

func TestFixed(t *testing.T) {
	t.Parallel()
	for text, fixed := range map[string]bool{"": true, "a{{b}": true, "{host}": false, "a{uri}b": false} {
		got, ok := Compile(text).Fixed()
		assert.Equal(t, ok, fixed)
		if ok {
			assert.Equal(t, got, render(text, ask("/", "a"), Field))
		}
	}
	assert.Panics(t, "{nothing}", func() { Compile("{nothing}") })
}

func TestAppendAllocatesNothing(t *testing.T) {
	x := ask("/a?b", "WWW.example.com")
	all := Compile("{scheme}://{host}{uri} {path} {query} {client_ip}")
	dst := make([]byte, 0, 256)
	assert.Allocs(t, 0, func() { dst = all.Append(dst[:0], x, URI) })
}

func FuzzAppend(f *testing.F) {
	f.Add("/a?b", "a.example:80")
	f.Add("*", "")
	f.Add("/\r\n", "\x00")
	f.Add("//x\\", "[::1]:1")
	all := Compile("{host}{path}{query}{uri}{client_ip}{scheme}")
	f.Fuzz(func(t *testing.T, target, authority string) {
		x := ask(target, authority)
		for _, where := range []Place{Field, URI, Body} {
			for _, c := range all.Append(nil, x, where) {
				if c < ' ' || c == 0x7f || where != Field && (c > 0x7f || strings.IndexByte(" \"<>\\^`{|}#", c) >= 0) {
					t.Fatalf("%q in what is made of %q and %q", c, target, authority)
				}
			}
		}
		if uri := render("{uri}", x, URI); uri[0] != '/' {
			t.Fatalf("{uri} is %q for %q", uri, target)
		}
	})
}
