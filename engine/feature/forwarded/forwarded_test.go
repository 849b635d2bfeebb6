package forwarded

import (
	"net/netip"
	"testing"

	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/route"
	"sluice/internal/assert"
	"sluice/internal/featuretest"
)

// trusted is 10.0.0.0/8 and fd00::/8.
func trusted() *route.Prefixes {
	set := route.CompilePrefixes([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")})
	return &set
}

// check has a gate look at a request.
func check(r featuretest.Request, options configs.Route) *exchange.Exchange {
	x := new(exchange.Exchange)
	r.Fill(x)
	gate, _ := Compile(trusted(), &options)
	gate.Check(x)
	return x
}

const peer, proxy = "192.0.2.1:1234", "10.0.0.1:1234"

// Whatever a stranger says about itself is replaced.
func TestStrangers(t *testing.T) {
	t.Parallel()
	told := []string{"X-Forwarded-For: 1.1.1.1", "x-forwarded-for: 2.2.2.2", "X-Forwarded-Proto: https", "X-A: b", "X-Forwarded-Host: evil",
		"X-Forwarded-Port: 1", "Forwarded: for=1.1.1.1", "X-Real-IP: 1.1.1.1"}
	x := check(featuretest.Request{Peer: peer, Host: "A.example:8080", Fields: told}, configs.Route{})
	assert.Equal(t, featuretest.Fields(&x.Request), []string{"Host: A.example:8080", "X-A: b", "X-Real-IP: 1.1.1.1", "X-Forwarded-For: 192.0.2.1",
		"X-Forwarded-Proto: http", "X-Forwarded-Host: A.example:8080", "X-Forwarded-Port: 80"})
	assert.Equal(t, x.Client, x.Peer)
	assert.Equal(t, x.Scheme, "http")

	x = check(featuretest.Request{Peer: "[2001:db8::1]:1", Fields: told, Scheme: "https"}, configs.Route{Forwarded: true, Via: true})
	assert.Equal(t, featuretest.Fields(&x.Request), []string{"Host: a.example", "X-A: b", "X-Real-IP: 1.1.1.1", "X-Forwarded-For: 2001:db8::1",
		"X-Forwarded-Proto: https", "X-Forwarded-Host: a.example", "X-Forwarded-Port: 80", `Forwarded: for="[2001:db8::1]";host=a.example;proto=https`,
		"Via: 1.1 sluice"})
}

func TestStrangersWithoutAddressOrHost(t *testing.T) {
	t.Parallel()
	x := check(featuretest.Request{Peer: "unix", Host: "-", Version: 10, Fields: []string{"X-Forwarded-For: 10.0.0.1", "Via: 1.0 a"}},
		configs.Route{Forwarded: true, Via: true})
	assert.Equal(t, featuretest.Fields(&x.Request), []string{"Via: 1.0 a", "X-Forwarded-Proto: http", "Forwarded: for=unknown;proto=http", "Via: 1.0 sluice"})
	assert.Equal(t, x.Client.IsValid(), false)
}

// A trusted peer is believed, and added to what it says.
func TestTrustedPeers(t *testing.T) {
	t.Parallel()
	x := check(featuretest.Request{Peer: proxy, Fields: []string{"X-Forwarded-For: 1.1.1.1", "X-A: b", "X-Forwarded-For: ", "x-forwarded-for: 192.0.2.9",
		"X-Forwarded-Proto: https", "X-Forwarded-Host: b.example", "X-Forwarded-Port: 443", "Forwarded: for=3.3.3.3"}}, configs.Route{})
	assert.Equal(t, featuretest.Fields(&x.Request), []string{"Host: a.example", "X-Forwarded-For: 1.1.1.1, 192.0.2.9, 10.0.0.1", "X-A: b",
		"X-Forwarded-Proto: https", "X-Forwarded-Host: b.example", "X-Forwarded-Port: 443", "Forwarded: for=3.3.3.3"})
	assert.Equal(t, x.Client, netip.MustParseAddrPort("192.0.2.9:0"))
	assert.Equal(t, x.Scheme, "https")

	x = check(featuretest.Request{Peer: proxy, Fields: []string{"Forwarded: for=1.1.1.1", `Forwarded: For="[2001:db8::1]:99"`}}, configs.Route{Forwarded: true})
	assert.Equal(t, featuretest.Fields(&x.Request), []string{"Host: a.example",
		`Forwarded: for=1.1.1.1, For="[2001:db8::1]:99", for=10.0.0.1;host=a.example;proto=http`, "X-Forwarded-For: 2001:db8::1, 10.0.0.1",
		"X-Forwarded-Proto: http", "X-Forwarded-Host: a.example", "X-Forwarded-Port: 80"})
	assert.Equal(t, x.Client, netip.MustParseAddrPort("[2001:db8::1]:99"))

	x = check(featuretest.Request{Peer: proxy}, configs.Route{Forwarded: true})
	assert.Equal(t, featuretest.Fields(&x.Request), []string{"Host: a.example", "X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.1;host=a.example;proto=http",
		"X-Forwarded-Proto: http", "X-Forwarded-Host: a.example", "X-Forwarded-Port: 80"})
	assert.Equal(t, x.Client, x.Peer)
}

// What has been removed before is neither walked nor passed on.
func TestRemovedFields(t *testing.T) {
	t.Parallel()
	x := new(exchange.Exchange)
	featuretest.Request{Peer: proxy, Fields: []string{"X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 6.6.6.6"}}.Fill(x)
	x.Request.Fields()[2].Gone = true
	gate, _ := Compile(trusted(), &configs.Route{})
	gate.Check(x)
	assert.Equal(t, x.Client, netip.MustParseAddrPort("1.1.1.1:0"))
	assert.Equal(t, featuretest.Fields(&x.Request)[1], "X-Forwarded-For: 1.1.1.1, 10.0.0.1")
}

func TestTheSchemeOfATrustedPeer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		told []string
		want string
	}{
		{[]string{"X-Forwarded-Proto: https"}, "https"},
		{[]string{"X-Forwarded-Proto: http"}, "http"},
		{[]string{"X-Forwarded-Proto: wss"}, "http"},
		{[]string{"X-Forwarded-Proto: https, http"}, "http"},
		{[]string{"X-Forwarded-Proto: https", "X-Forwarded-Proto: https"}, "http"},
	} {
		x := check(featuretest.Request{Peer: proxy, Fields: c.told}, configs.Route{})
		assert.Equal(t, x.Scheme, c.want)
	}
}

// The walk, in both spellings of an element.
func TestWalk(t *testing.T) {
	t.Parallel()
	for told, want := range map[string]string{
		"X-Forwarded-For: 1.1.1.1":                              "1.1.1.1:0",
		"X-Forwarded-For: 6.6.6.6, 1.1.1.1":                     "1.1.1.1:0",
		"X-Forwarded-For: 6.6.6.6, 1.1.1.1, 10.2.3.4,fd00::9":   "1.1.1.1:0",
		"X-Forwarded-For: 10.9.9.9, 10.2.3.4":                   "10.9.9.9:0",
		"X-Forwarded-For: 1.1.1.1:5678":                         "1.1.1.1:5678",
		"X-Forwarded-For: [2001:db8::1]:80":                     "[2001:db8::1]:80",
		"X-Forwarded-For: [2001:db8::1]":                        "[2001:db8::1]:0",
		"X-Forwarded-For: 2001:db8::1":                          "[2001:db8::1]:0",
		"X-Forwarded-For: ::ffff:1.1.1.1":                       "1.1.1.1:0",
		"X-Forwarded-For: 6.6.6.6, , 1.1.1.1,\t, ":              "1.1.1.1:0",
		"X-Forwarded-For: ":                                     proxy,
		"X-Forwarded-For: unknown":                              proxy,
		"X-Forwarded-For: 1.1.1.1, unknown, 10.2.3.4":           "10.2.3.4:0",
		"X-Forwarded-For: 1.1.1.1, _hidden":                     proxy,
		"X-Forwarded-For: 1.1.1.1:":                             proxy,
		"X-Forwarded-For: 1.1.1.1:65536":                        proxy,
		"X-Forwarded-For: 1.1.1.1:+1":                           proxy,
		"X-Forwarded-For: [1.1.1.1]":                            proxy,
		"X-Forwarded-For: [2001:db8::1":                         proxy,
		"X-Forwarded-For: [2001:db8::1]80":                      proxy,
		"X-Forwarded-For: fe80::1%eth0":                         proxy,
		"X-Forwarded-For: 01.1.1.1":                             proxy,
		"X-Forwarded-For: 1.1.1":                                proxy,
		`X-Forwarded-For: "1.1.1.1"`:                            proxy,
		`X-Forwarded-For: "6.6.6.6, 1.1.1.1`:                    "1.1.1.1:0",
		"Forwarded: for=1.1.1.1":                                "1.1.1.1:0",
		"Forwarded: proto=https; FOR = 1.1.1.1 ;by=2.2.2.2":     "1.1.1.1:0",
		`Forwarded: for="1.1.1.1:99";host="a,b;for=6.6.6.6"`:    "1.1.1.1:99",
		`Forwarded: for="[2001:db8::1]"`:                        "[2001:db8::1]:0",
		`Forwarded: for="6.6.6.6, for=1.1.1.1`:                  "1.1.1.1:0",
		"Forwarded: for=6.6.6.6, for=1.1.1.1, for=10.2.3.4":     "1.1.1.1:0",
		"Forwarded: for=1.1.1.1;for=6.6.6.6":                    proxy,
		"Forwarded: proto=https":                                proxy,
		"Forwarded: for":                                        proxy,
		"Forwarded: for=unknown":                                proxy,
		`Forwarded: for="_a"`:                                   proxy,
		`Forwarded: for="1.1.1.1:_a"`:                           proxy,
		`Forwarded: for=1.1.1.1;host="x\",for=6.6.6.6;a=\"y"`:   proxy,
		`Forwarded: for=1.1.1.1;host="x\";for=6.6.6.6;a=\"y"`:   proxy,
		`Forwarded: for=1.1.1.1;host="a\"b", for=10.2.3.4`:      "10.2.3.4:0",
		"Forwarded: for=6.6.6.6, proto=http;for=, for=10.2.3.4": "10.2.3.4:0",
	} {
		x := check(featuretest.Request{Peer: proxy, Fields: []string{told}}, configs.Route{})
		if x.Client.String() != want {
			t.Errorf("%s: %v, want %s", told, x.Client, want)
		}
	}
}

// Both spellings there: most proxies write the first, and pass on what a client says in the second.
func TestForwardedComesSecond(t *testing.T) {
	t.Parallel()
	x := check(featuretest.Request{Peer: proxy, Fields: []string{"Forwarded: for=6.6.6.6", "X-Forwarded-For: 1.1.1.1"}}, configs.Route{Forwarded: true})
	assert.Equal(t, x.Client, netip.MustParseAddrPort("1.1.1.1:0"))
}

func TestTheWalkIsBounded(t *testing.T) {
	t.Parallel()
	told := []string{"X-Forwarded-For: 6.6.6.6"}
	for range hopsMax {
		told = append(told, "X-Forwarded-For: 10.2.3.4")
	}
	x := check(featuretest.Request{Peer: proxy, Fields: told}, configs.Route{})
	assert.Equal(t, x.Client, netip.MustParseAddrPort("10.2.3.4:0"))
}

func TestElements(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"a.example":      "for=192.0.2.1;host=a.example;proto=http",
		"a.example:8080": `for=192.0.2.1;host="a.example:8080";proto=http`,
		"[::1]":          `for=192.0.2.1;host="[::1]";proto=http`,
		"a\"b\\c\r\n":    `for=192.0.2.1;host="a\"b\\c";proto=http`,
		"-":              "for=192.0.2.1;proto=http",
	} {
		x := new(exchange.Exchange)
		featuretest.Request{Peer: peer, Host: host}.Fill(x)
		assert.Equal(t, string(appendElement(nil, x)), want)
	}
}

// Via is for messages that pass through: requests, and what servers answer.
func TestVia(t *testing.T) {
	t.Parallel()
	gate, stage := Compile(trusted(), &configs.Route{})
	assert.Equal(t, stage, nil)
	gate, stage = Compile(trusted(), &configs.Route{Via: true})
	origin := &featuretest.Origin{Answer: []string{"Via: 1.1 b"}}
	to := &exchange.Route{Gates: []exchange.Gate{gate}, Stages: []exchange.Stage{stage}, Handler: origin}
	answer := featuretest.Ask(featuretest.Request{Version: 20, Fields: []string{"Via: 1.1 a"}}, to)
	assert.Equal(t, answer.Fields, []string{"Via: 1.1 b", "Via: 1.1 sluice"})
	assert.Equal(t, origin.Fields[1], "Via: 1.1 a")
	assert.Equal(t, origin.Fields[len(origin.Fields)-1], "Via: 2.0 sluice")

	to.Gates = []exchange.Gate{refusal{}}
	answer = featuretest.Ask(featuretest.Request{}, to)
	assert.Equal(t, answer.Status, 403)
	for _, field := range answer.Fields {
		assert.Equal(t, field == "Via: 1.1 sluice", false)
	}
}
