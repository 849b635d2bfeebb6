package configs

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/configs/tree"
)

// mustParse returns a valid configuration without warnings.
func mustParse(t *testing.T, src string) *Config {
	t.Helper()
	c, err := Parse("conf/sluice.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Fatal(c.Warnings)
	}
	return c
}

func TestExamplesLoad(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("examples")); err != nil {
		t.Fatal(err)
	}
	makeCertificates(t, filepath.Join(dir, "certs"))
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		c, err := Load(f)
		if err != nil {
			t.Error(err)
		} else if len(c.Warnings) > 0 {
			t.Error(c.Warnings)
		}
	}
}

const smallest = `
listeners: {web: {bind: ":8080", protocol: tcp, upstream: app}}
upstreams: {app: {servers: "10.0.0.1:80"}}
`

func TestDefaults(t *testing.T) {
	c := mustParse(t, smallest)
	want := ListenerTimeouts{Header: 15 * time.Second, Idle: 75 * time.Second, BodyIdle: 30 * time.Second, WriteIdle: 30 * time.Second, MinRate: 1024,
		Hello: 5 * time.Second, Handshake: 10 * time.Second, ProxyHeader: 3 * time.Second, Tunnel: time.Hour, HalfClosed: 30 * time.Second}
	if got := c.Listeners[0].Timeouts; got != want {
		t.Errorf("listener timeouts %+v", got)
	}
	if got := c.Listeners[0].Limits; got != (ListenerLimits{HeaderBytes: 16 << 10, HeaderCount: 128, URIBytes: 8 << 10}) {
		t.Errorf("listener limits %+v", got)
	}
	u := c.Upstreams[0]
	if u.Balance != "p2c" || u.HashOn != "client_ip" || u.ProxyProtocol != "off" || u.Timeouts.Connect != 3*time.Second ||
		u.Protocol != "http1" || u.HashName != "" || u.Pool != (Pool{MaxIdle: 64, IdleTimeout: 55 * time.Second}) {
		t.Errorf("upstream %+v", u)
	}
	if s := u.Servers[0]; s.Weight != 1 || s.Backup || s.MaxConnections != 0 || s.Address != (Address{Network: "tcp", Host: "10.0.0.1", Port: 80}) {
		t.Errorf("server %+v", s)
	}
	if c.Log != (Log{Level: "info", Access: Access{To: "stdout", Format: "json"}}) {
		t.Errorf("log %+v", c.Log)
	}
	if !reflect.DeepEqual(c.Runtime, Runtime{Drain: 30 * time.Second}) {
		t.Errorf("runtime %+v", c.Runtime)
	}
	r := c.Routes[0]
	if r.Name != "@web" || r.HasSNI || !reflect.DeepEqual(r.Listeners, []string{"web"}) || r.Upstream.V != "app" || r.At != (Position{Line: 2, Column: 59}) {
		t.Errorf("route %+v", r)
	}
}

// everyValue has a value other than the default for every key.
const everyValue = `
listeners:
  edge:
    bind: ["[::FFFF:127.0.0.1]:80", ":81", "[::1]:82", "unix:run/x.sock"]
    protocol: tcp
    proxy_protocol: {mode: require, from: [10.0.0.0/8, "::ffff:192.0.2.0/120"]}
    max_connections: 10
    max_connections_per_ip: 2
    client_ip: {allow: 10.1.2.3, deny: ["2001:db8::/32"]}
    timeouts: {hello: 1s, proxy_header: 1m30s, tunnel: 2h, half_closed: 100ms}
  short: {bind: ":90", protocol: tcp, proxy_protocol: accept}
routes:
  - sni: [A.Example.com, "*.b.example.com", ""]
    passthrough: true
    upstream: app
    client_ip: {deny: 192.0.2.1, deny_file: ../examples/blocked.txt}
    timeouts: {connect: 2s}
  - {name: http2, listeners: short, alpn: h2, upstream: app}
upstreams:
  app:
    servers:
      - {address: "DB.internal:5432", weight: "${SLUICE_TEST_WEIGHT}", backup: true, max_connections: 9}
      - unix:/run/${SLUICE_TEST_NOT_SET:-app}.sock
    balance: hash
    hash_on: sni
    proxy_protocol: v1
    timeouts: {connect: 4s}
log: {level: debug, access: {to: logs/access.json}}
runtime: {loops: 2, memory: 64MiB, drain: 0s}
`

func TestEveryValueArrives(t *testing.T) {
	t.Setenv("SLUICE_TEST_WEIGHT", "7")
	c := mustParse(t, everyValue)
	edge := c.Listeners[0]
	var binds []string
	for _, b := range edge.Bind {
		binds = append(binds, b.V.String())
	}
	if got := strings.Join(binds, " "); got != "127.0.0.1:80 :81 [::1]:82 unix:conf/run/x.sock" {
		t.Errorf("bind %s", got)
	}
	equal := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", what, got, want)
		}
	}
	equal("position of a bind", edge.Bind[1].At, Position{Line: 4, Column: 37})
	equal("proxy mode", edge.ProxyProtocol.Mode, ProxyRequired)
	equal("proxy from", edge.ProxyProtocol.From, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")})
	equal("short proxy mode", c.Listeners[1].ProxyProtocol.Mode.String(), "accept")
	equal("limits", []int{edge.MaxConnections, edge.MaxConnectionsPerIP}, []int{10, 2})
	equal("allow", edge.ClientIP.Allow, []netip.Prefix{netip.MustParsePrefix("10.1.2.3/32")})
	equal("timeouts", edge.Timeouts, ListenerTimeouts{Header: 15 * time.Second, Idle: 75 * time.Second, BodyIdle: 30 * time.Second,
		WriteIdle: 30 * time.Second, MinRate: 1024, Hello: time.Second, Handshake: 10 * time.Second, ProxyHeader: 90 * time.Second, Tunnel: 2 * time.Hour, HalfClosed: 100 * time.Millisecond})

	r := c.Routes[0]
	equal("sni", r.SNI, []string{"a.example.com", "*.b.example.com", ""})
	equal("default listeners", r.Listeners, []string{"edge", "short"})
	equal("route", []any{r.Name, r.HasSNI, r.Passthrough, r.Timeouts.Connect}, []any{"route-1", true, true, 2 * time.Second})
	equal("deny with file", len(r.ClientIP.Deny), 4)
	equal("alpn alone", []any{c.Routes[1].SNI, c.Routes[1].ALPN, c.Routes[1].HasSNI}, []any{[]string{"*"}, []string{"h2"}, true})

	u := c.Upstreams[0]
	equal("server", u.Servers[0], Server{Address: Address{Network: "tcp", Host: "db.internal", Port: 5432}, At: u.Servers[0].At, Weight: 7, Backup: true, MaxConnections: 9})
	equal("unix server", u.Servers[1].Address, Address{Network: "unix", Path: "/run/app.sock"})
	equal("upstream", []any{u.Balance, u.HashOn, u.ProxyProtocol, u.Timeouts.Connect}, []any{"hash", "sni", "v1", 4 * time.Second})
	equal("log", c.Log, Log{"debug", Access{"conf/logs/access.json", "json", c.Log.Access.At}})
	equal("runtime", c.Runtime, Runtime{Loops: 2, Memory: 64 << 20, At: c.Runtime.At})
}

// everyHTTPValue has a value other than the default for every key that is for http.
const everyHTTPValue = `
listeners:
  web:
    bind: ":80"
    trusted_proxies: ["::ffff:10.0.0.0/104", 192.0.2.1]
    timeouts: {header: 1s, idle: 2s, body_idle: 3s, write_idle: 4s, min_rate: 0}
    limits: {header_bytes: 4KiB, header_count: 9}
    upstream: app
  db: {bind: ":81", protocol: tcp}
routes:
  - hosts: [A.Example.com, "*.B.example.com", "10.0.0.1", "[0::1]", "::2"]
    paths: [/a/*, /b, "/.*", "/*"]
    methods: [GET, custom]
    upstream: app
    max_body: 1MiB
    upgrade: [WebSocket, foo]
    connect: true
    via: true
    forwarded: true
    headers:
      request: {set: {X-b: "{host}", X-A: ""}, add: {X-C: [c, d], X-E: "{{host} {\"a\"}"}, remove: [X-D, x-e]}
      response: {set: {Host: h}, remove: Server}
    rewrite: {strip_prefix: /a/b/, host: "x-{host}:8080"}
    buffer: {request: 16MiB, response: 1B}
    timeouts: {connect: 1s, first_byte: 2s, idle: 3s}
  - {paths: /r, upgrade: off, respond: {status: 404, body: "{uri}\n", headers: {Set-Cookie: [a, b]}}}
  - {paths: /s, redirect: {to: "{scheme}://{host}:8443{path}?x={query}", status: 303}}
  - {sni: a.example, upstream: app}
upstreams:
  app: {servers: ["http://DB.internal:8080/", "unix:/run/x"], pool: {max_idle: 0, idle_timeout: 1s}}
  cookies: {servers: "a:1", balance: hash, hash_on: "cookie:Session-ID"}
`

func TestEveryHTTPValueArrives(t *testing.T) {
	c, err := Parse("conf/sluice.yaml", []byte(everyHTTPValue))
	if err != nil {
		t.Fatal(err)
	}
	equal := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", what, got, want)
		}
	}
	web, r := c.Listeners[0], c.Routes[0]
	equal("protocols", []string{web.Protocol, c.Listeners[1].Protocol}, []string{"http", "tcp"})
	equal("trusted", web.TrustedProxies, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")})
	equal("timeouts", web.Timeouts, ListenerTimeouts{time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second, 0,
		5 * time.Second, 10 * time.Second, 3 * time.Second, time.Hour, 30 * time.Second})
	equal("limits, the last one by another", web.Limits, ListenerLimits{4 << 10, 9, 4 << 10, web.Limits.At})
	equal("hosts", r.Hosts, []string{"a.example.com", "*.b.example.com", "10.0.0.1", "[::1]", "[::2]"})
	equal("paths and methods", [][]string{r.Paths, r.Methods}, [][]string{{"/a/*", "/b", "/.*", "/*"}, {"GET", "custom"}})
	equal("listeners by default", [][]string{r.Listeners, c.Routes[1].Listeners, c.Routes[3].Listeners}, [][]string{{"web"}, {"web"}, {"db"}})
	equal("switches", []any{r.MaxBody, r.Upgrade, r.Connect, r.Via, r.Forwarded}, []any{Size(1 << 20), []string{"websocket", "foo"}, true, true, true})
	equal("request fields", r.Headers.Request, HeaderEdits{
		Set:    []HeaderValue{{"X-b", "{host}"}, {"X-A", ""}},
		Add:    []HeaderValue{{"X-C", "c"}, {"X-C", "d"}, {"X-E", `{{host} {"a"}`}},
		Remove: []string{"X-D", "x-e"},
	})
	equal("answer fields", r.Headers.Response, HeaderEdits{Set: []HeaderValue{{"Host", "h"}}, Remove: []string{"Server"}})
	equal("rewrite", r.Rewrite, Rewrite{"/a/b", "x-{host}:8080"})
	equal("buffer", r.Buffer, Buffer{16 << 20, 1})
	equal("route timeouts", r.Timeouts, RouteTimeouts{time.Second, 2 * time.Second, 3 * time.Second})
	equal("upgrades of the others", [][]string{c.Routes[1].Upgrade, c.Routes[2].Upgrade, c.Routes[4].Upgrade}, [][]string{nil, {"websocket"}, {"websocket"}})
	equal("respond", *c.Routes[1].Respond, Respond{404, "{uri}\n", []HeaderValue{{"Set-Cookie", "a"}, {"Set-Cookie", "b"}}, c.Routes[1].Respond.At})
	equal("redirect", *c.Routes[2].Redirect, Redirect{"{scheme}://{host}:8443{path}?x={query}", 303, Position{Line: 27, Column: 27}})
	equal("server", c.Upstreams[0].Servers[0].Address, Address{Network: "tcp", Host: "db.internal", Port: 8080})
	equal("scheme", c.Upstreams[0].Servers[0].Scheme, "http")
	equal("pool", c.Upstreams[0].Pool, Pool{0, time.Second})
	equal("hash", []string{c.Upstreams[1].HashOn, c.Upstreams[1].HashName}, []string{"cookie", "Session-ID"})
}

// A file of 1 MiB can ask for more combinations of host, path and method than there is memory.
func TestRoutesThatMatchTooMuchAreRefused(t *testing.T) {
	var hosts, paths strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&hosts, "h%d,", i)
		fmt.Fprintf(&paths, "/p%d,", i)
	}
	src := "listeners: {a: {bind: \":80\"}}\nroutes: {hosts: [" + hosts.String() + "], paths: [" + paths.String() + "], respond: {}}\n"
	if _, err := Parse("x.yaml", []byte(src)); err == nil || !strings.Contains(err.Error(), "match more than 262144 combinations") {
		t.Errorf("%.300v", err)
	}
}

func TestLooksSeeWhatCouldBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.yaml")
	src := "listeners: {a: {bind: [\":80\", \"80\"], upstream: app}}\nupstreams: {app: {servers: [\"a\", \"b:1\"]}, more: {servers: \"c:1\", weight: 1}}\n"
	if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path, func(c *Config) (found Issues) {
		if n := len(c.Listeners[0].Bind); n != 1 {
			t.Errorf("%d addresses", n)
		}
		for _, u := range c.Upstreams {
			for _, s := range u.Servers {
				found = append(found, c.Issue(s.At, s.Address.String()+" is seen", ""))
			}
		}
		return found
	})
	var got []string
	for _, i := range err.(Issues) {
		got = append(got, i.Message)
	}
	want := []string{`"80" is not an address: a port needs a colon`, `"a" is not an address`, "b:1 is seen", "c:1 is seen", `unknown key "weight"`}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestRouteNamesAreNotTakenTwice(t *testing.T) {
	for given, want := range map[string]string{
		",,":                 "route-1,route-2,route-3",
		"route-2,,":          "route-2,route-2-2,route-3",
		",,route-1":          "route-1-2,route-2,route-1",
		"route-2,,route-2-2": "route-2,route-2-3,route-2-2",
		",x,route-2":         "route-1,x,route-2",
	} {
		var routes []Route
		for name := range strings.SplitSeq(given, ",") {
			routes = append(routes, Route{Name: name})
		}
		nameRoutes(routes)
		var names []string
		for _, r := range routes {
			names = append(names, r.Name)
		}
		if got := strings.Join(names, ","); got != want {
			t.Errorf("%q: %s, want %s", given, got, want)
		}
	}
}

func TestWhatMayBeBoundTogether(t *testing.T) {
	for _, c := range []struct {
		a, b string
		ok   bool
	}{
		{":1", ":2", true}, {":1", "127.0.0.1:1", false}, {":1", "[::1]:1", false}, {":1", "0.0.0.0:1", false}, {":1", "[::]:1", false},
		{"0.0.0.0:1", "127.0.0.1:1", false}, {"0.0.0.0:1", "[::ffff:127.0.0.1]:1", false}, {"0.0.0.0:1", "[::1]:1", true},
		{"0.0.0.0:1", "[::]:1", true}, {"[::]:1", "[::1]:1", false}, {"[::]:1", "127.0.0.1:1", true}, {"[::]:1", "[::1]:2", true},
		{"127.0.0.1:1", "127.0.0.2:1", true}, {"127.0.0.1:1", "[::1]:1", true}, {"127.0.0.1:1", "127.0.0.1:1", false},
		{"unix:/a", "unix:/b", true}, {"unix:/a", "unix:/a", false},
	} {
		for _, binds := range [][]string{{c.a, c.b}, {c.b, c.a}} {
			src := "listeners:\n  x: {protocol: tcp, upstream: u, bind: \"" + binds[0] + "\"}\n" +
				"  y: {protocol: tcp, upstream: u, bind: \"" + binds[1] + "\"}\nupstreams: {u: {servers: \"a:1\"}}\n"
			_, err := Parse("x.yaml", []byte(src))
			if c.ok != (err == nil) || err != nil && !(strings.Contains(err.Error(), "x.yaml:3:") && strings.Contains(err.Error(), "at line 2")) {
				t.Errorf("%v: %v", binds, err)
			}
		}
	}
}

func TestJSONAndForeignLineEndsAreTheSame(t *testing.T) {
	want := mustParse(t, smallest)
	for name, src := range map[string]string{
		"JSON": `{"listeners": {"web": {"bind": [":8080"], "protocol": "tcp", "upstream": "app"}},
			"upstreams": {"app": {"servers": [{"address": "10.0.0.1:80"}]}}}`,
		"CRLF and a byte order mark": "\uFEFF" + strings.ReplaceAll(smallest, "\n", "\r\n"),
	} {
		got := mustParse(t, src)
		if got.Listeners[0].Bind[0].V != want.Listeners[0].Bind[0].V || got.Upstreams[0].Servers[0].Address != want.Upstreams[0].Servers[0].Address {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestLoadSaysWhichFileCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "no such file",
		dir:                             "is a directory",
	} {
		_, err := Load(path)
		var issues Issues
		if !errors.As(err, &issues) || issues[0].File != path || !strings.Contains(issues[0].Message, want) || !strings.Contains(issues[0].Hint, "-c ") {
			t.Errorf("%s: %v", path, err)
		}
	}
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, make([]byte, tree.TextMax+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(large); err == nil || !strings.Contains(err.Error(), "larger than 1MiB") {
		t.Error(err)
	}
}

// The YAML library is quadratic or recursive in each of these; all of them are refused from their tokens.
func TestHostileFilesAreRefusedQuickly(t *testing.T) {
	const large = 1 << 17 // the limits do their work at any size; under -race, making tokens of a whole MiB takes seconds
	for name, c := range map[string]struct{ src, want string }{
		"brackets":       {strings.Repeat("[", large), "nested deeper than 32 levels"},
		"dashes":         {strings.Repeat("- ", large/2), "nested deeper than 32 levels"},
		"keys":           {strings.Repeat("a: b\n", large/5), "more than 4096 keys in one mapping"},
		"absent items":   {strings.Repeat("-\n", large/2), "more than 256 keys without a value"},
		"absent values":  {"x:\n" + strings.Repeat("- a:\n", large/5-1), "more than 256 keys without a value"},
		"words in { }":   {"{" + strings.Repeat("a,", large/2-1) + "}", "more than 256 keys without a value"},
		"keys in { }":    {"{" + strings.Repeat("a: ,", large/4-1) + "}", "more than 256 keys without a value"},
		"many aliases":   {"[" + strings.Repeat("*a,", 1000) + "]", "an alias (*)"},
		"many mistakes":  {"{" + strings.Repeat("a: 1,", 1000) + "}", "501 more errors are not shown"},
		"secrets":        {"{" + strings.Repeat("key:a,", large/6) + "}", "more errors are not shown"},
		"many listeners": {"listeners: {" + strings.Repeat("a: {},", 257) + "}", "listeners has 257 entries, and 256 are allowed"},
	} {
		if _, err := Parse("x.yaml", []byte(c.src)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %.300v", name, err)
		}
	}
}

func TestNormalNestingIsNotCountedAsEmpty(t *testing.T) {
	src := "listeners:\n  a:\n    bind: \":1\"\n    protocol: tcp\n    upstream: u\nupstreams:\n  u:\n    servers:\n" +
		strings.Repeat("    - {address: \"a:1\"}\n", 300)
	for i := range 300 {
		src += "  u" + Size(i).String() + ":\n    servers:\n    - \"a:1\"\n"
	}
	if _, err := Parse("x.yaml", []byte(src)); err != nil {
		t.Error(err)
	}
}

func TestLaterStagesSpeakWithTheSameVoice(t *testing.T) {
	c := mustParse(t, "listeners: {web: {bind: \":80\", protocol: tcp, upstream: app}}\nupstreams: {app: {servers: \"db:1\"}}\n")
	got := c.Issue(c.Upstreams[0].Servers[0].At, `the name "db" does not resolve`, "check it with: getent hosts db").Error()
	want := `conf/sluice.yaml:2:28: the name "db" does not resolve
    2 | upstreams: {app: {servers: "db:1"}}
      |                            ^
  hint: check it with: getent hosts db`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if i := new(Config).Issue(Position{Line: 3, Column: 4}, "m", ""); i.Error() != ":3:4: m" {
		t.Errorf("without a file: %q", i.Error())
	}
}

func TestQuick(t *testing.T) {
	c, err := Quick("http", ":8080", []string{"a:1", "unix:/run/${x}.sock"})
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Listeners[0].Protocol; p != "http" {
		t.Errorf("protocol %s", p)
	}
	if a := c.Upstreams[0].Servers; len(a) != 2 || a[1].Address.Path != "/run/${x}.sock" || c.Routes[0].Upstream.V != c.Upstreams[0].Name {
		t.Errorf("%+v", c)
	}
	if got := c.Issue(c.Listeners[0].Bind[0].At, ":8080 is in use", "").Error(); got != "(command line): :8080 is in use" {
		t.Error(got)
	}
	_, err = Quick("tcp", "8080", []string{"a:1", "ftp://b:1"})
	want := "--from: \"8080\" is not an address: a port needs a colon\n  hint: write \":8080\"\n" +
		"--to: servers with ftp:// are not supported\n  hint: write \"host:port\", \"https://host:port\", \"unix:/path\", \"dns://name:port\", \"srv://_service._proto.name\" or \"file:path\""
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	_, err = Quick("tcp", ":1", []string{"a:1", "", "b:1"})
	want = "--to: a server is empty\n  hint: remove the comma that has nothing before or after it"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if _, err := Quick("tcp", ":1", nil); err == nil {
		t.Error("no server is no error")
	}
}

// FuzzParse: no panic, every issue can be printed and points into the file, and what is valid keeps its promises.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("examples/*.yaml")
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	golden, err := os.ReadFile("testdata/errors.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range strings.Split(string(golden), "\n=== ") {
		src, _, _ := strings.Cut(c, printed)
		_, src, _ = strings.Cut(src, "\n")
		f.Add([]byte(src))
	}
	f.Add([]byte("a: |\n  x\n ? - : {[\"'\n%YAML 1\n--- !<x> &a *b << : ~\r\n\t#"))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := Parse("f.yaml", src)
		var issues Issues
		switch {
		case err == nil:
			checkPromises(t, c)
			issues = c.Warnings
		case !errors.As(err, &issues) || len(issues) == 0 || c != nil:
			t.Fatalf("%T %v", err, err)
		}
		lines := strings.Count(tree.Normal(string(src)), "\n") + 1
		for _, i := range issues {
			if i.Message == "" || i.File == "f.yaml" && i.At.Line > lines || strings.ContainsRune(i.Line, '\n') {
				t.Errorf("a bad issue: %+v", i)
			}
			_ = i.Error()
		}
	})
}

// checkPromises asserts what the doc comments of Config promise to other rooms.
func checkPromises(t *testing.T, c *Config) {
	names := map[string]bool{}
	for _, u := range c.Upstreams {
		names[u.Name] = true
		for _, s := range u.Servers {
			if u.Refuses(s) != "" || s.Address.Scheme != "" || s.Scheme == "https" && u.TLS == nil {
				t.Errorf("server %+v of %+v", s, u)
			}
		}
		if len(u.Servers) == 0 {
			t.Errorf("upstream %q is empty", u.Name)
		}
		if c := u.Check; c != nil && (c.Fast > c.Every || c.Fast <= 0 || c.Timeout <= 0 || c.Fall < 1 || c.Rise < 1 || len(c.Status) == 0 || c.HTTP == "" && c.Body != nil) {
			t.Errorf("check %+v", c)
		}
		if u.HashBound != 0 && u.HashBound < 110 || u.Eject.MaxPercent < 1 || u.Eject.For <= 0 || u.Queue.Timeout <= 0 ||
			u.Sticky != nil && (u.Sticky.Cookie == "" || u.Sticky.Key != "" && len(u.Sticky.Key) < 16) {
			t.Errorf("upstream %+v", u)
		}
	}
	for _, r := range c.Routes {
		if len(r.Listeners) == 0 || r.HasSNI != (len(r.SNI) > 0) || r.Name == "" {
			t.Errorf("route %+v", r)
		}
		actions := 0
		for _, set := range []bool{r.Upstream.V != "", r.Respond != nil, r.Redirect != nil} {
			if set {
				actions++
			}
		}
		if actions != 1 || r.Upstream.V != "" && !names[r.Upstream.V] || r.Timeouts.Idle <= 0 || r.Timeouts.FirstByte <= 0 {
			t.Errorf("route %+v", r)
		}
		for _, name := range r.Listeners {
			i := slices.IndexFunc(c.Listeners, func(l Listener) bool { return l.Name == name })
			passed := r.Passthrough && r.HasSNI && r.Upstream.V != "" && c.Listeners[i].TLS != nil
			if http := c.Listeners[i].Protocol == "http"; http && r.HasSNI && !passed || !http && (r.Upstream.V == "" || r.Hosts != nil || r.Paths != nil || r.Methods != nil) {
				t.Errorf("route %+v on listener %+v", r, c.Listeners[i])
			}
		}
	}
	for _, l := range c.Listeners {
		if len(l.Bind) == 0 || l.Protocol != "tcp" && l.Protocol != "http" || l.Timeouts.Hello <= 0 || l.Limits.URIBytes > l.Limits.HeaderBytes {
			t.Errorf("listener %+v", l)
		}
		if tls := l.TLS; tls != nil && (len(tls.Certificates) == 0 || tls.Certificates[0].Key == "" || tls.ClientAuth != "none" && tls.ClientCA == "") {
			t.Errorf("tls %+v", tls)
		}
	}
}
