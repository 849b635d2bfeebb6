package configs

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"sluice/configs/literal"
	"sluice/configs/tree"
)

func TestUpstreamDefaults(t *testing.T) {
	c := mustParse(t, strings.Replace(smallest, `servers: "10.0.0.1:80"`, `servers: "10.0.0.1:80", check: tcp`, 1))
	u := c.Upstreams[0]
	want := Check{At: u.Check.At, Method: "GET", Status: []StatusRange{{From: 200, To: 399}}, Every: 5 * time.Second, Fast: time.Second,
		Timeout: 2 * time.Second, Fall: 3, Rise: 2}
	if !reflect.DeepEqual(*u.Check, want) {
		t.Errorf("check %+v", *u.Check)
	}
	if u.Eject != (Eject{Errors: 5, For: 10 * time.Second, MaxPercent: 50, Panic: 50, At: u.Eject.At}) {
		t.Errorf("eject %+v", u.Eject)
	}
	if u.HashBound != 0 || u.MaxConnections != 0 || u.Queue != (Queue{Timeout: 5 * time.Second}) || u.SlowStart != 0 || u.Sticky != nil {
		t.Errorf("upstream %+v", u)
	}
	retry := Retry{Attempts: 1, Connect: true, Reset: true, Timeout: true, MarkedDown: true, Statuses: []int{502, 503}, Budget: 20, At: c.Routes[0].Retry.At}
	if !reflect.DeepEqual(c.Routes[0].Retry, retry) {
		t.Errorf("retry %+v", c.Routes[0].Retry)
	}
	if c.Admin != (Admin{}) || c.Runtime.Resolvers != nil {
		t.Errorf("admin %+v, runtime %+v", c.Admin, c.Runtime)
	}
	if c := mustParse(t, smallest); c.Upstreams[0].Check != nil {
		t.Error("a check that nobody asked for")
	}
}

// everyUpstreamValue has a value other than the default for every key of an upstream, and for those of its kin.
const everyUpstreamValue = `
listeners: {web: {bind: ":80", upstream: app}}
routes:
  paths: /a
  upstream: more
  retry: {attempts: 2, on: ["503", 408, marked_down, "503", connect], budget: 0%}
upstreams:
  app:
    servers:
      - {address: "dns://App.example:80", weight: 3, backup: true, max_connections: 7}
      - "srv://_http._tcp.app.example"
      - "file:../examples/servers.txt"
      - "a:1"
    balance: maglev
    hash_bound: 125%
    check:
      http: /health?a=b
      method: POST
      host: App.example:81
      headers: {X-A: "{host}", X-B: [c, d]}
      status: [204, 300-399]
      body: "^ok$"
      port: 81
      tls: {server_name: App.example, ca: ../examples/ca.pem, verify: true}
      every: 10s
      fast: 2s
      timeout: 1m
      fall: 1
      rise: 100
    eject: {errors: 1, for: 1m, max_percent: 10%, panic: off}
    max_connections: 100
    queue: {size: 10, timeout: 1s}
    slow_start: 1m
    sticky: {cookie: srv, ttl: 1h, key: 0123456789abcdef}
  more: {servers: ["a:1", "b:1"], check: {http: /, tls: true, every: 500ms}, eject: off, sticky: id, balance: least_time}
  third: {servers: "a:1", check: {tcp: true, tls: {verify: false}}, eject: {errors: 0, max_percent: 100}}
  fourth: {servers: "a:1", check: /up, eject: {panic: 0}}
admin: {bind: "[::]:9901", token: fedcba9876543210}
runtime: {resolvers: [127.0.0.1, "[::1]:5353"]}
`

func TestEveryUpstreamValueArrives(t *testing.T) {
	c, err := Parse("testdata/sluice.yaml", []byte(everyUpstreamValue))
	if err != nil {
		t.Fatal(err)
	}
	equal := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", what, got, want)
		}
	}
	u, more := c.Upstreams[0], c.Upstreams[1]
	var servers []string
	for _, s := range u.Servers {
		servers = append(servers, s.Discover+" "+s.Address.String())
	}
	equal("servers", servers, []string{"dns dns://app.example:80", "srv srv://_http._tcp.app.example", "file file:examples/servers.txt", " a:1"})
	equal("a server that is found", u.Servers[0], Server{Address: Address{Network: "dns", Host: "app.example", Port: 80}, At: u.Servers[0].At, Discover: "dns",
		Weight: 3, Backup: true, MaxConnections: 7})
	check := *u.Check
	equal("body", check.Body.String(), "^ok$")
	check.Body = nil
	equal("check", check, Check{At: check.At, HTTP: "/health?a=b", Method: "POST", Host: "App.example:81", Headers: []HeaderValue{{"X-A", "{host}"}, {"X-B", "c"}, {"X-B", "d"}},
		Status: []StatusRange{{From: 204, To: 204}, {From: 300, To: 399}}, Port: 81, TLS: &CheckTLS{At: check.TLS.At, ServerName: "app.example", CA: "examples/ca.pem", Verify: true},
		Every: 10 * time.Second, Fast: 2 * time.Second, Timeout: time.Minute, Fall: 1, Rise: 100})
	equal("eject", u.Eject, Eject{1, time.Minute, 10, 0, u.Eject.At})
	equal("the rest", []any{u.Balance, u.HashBound, u.MaxConnections, u.Queue, u.SlowStart}, []any{"maglev", 125, 100, Queue{10, time.Second}, time.Minute})
	equal("sticky", *u.Sticky, Sticky{"srv", time.Hour, "0123456789abcdef", u.Sticky.At})
	equal("fast follows every", more.Check.Fast, 500*time.Millisecond)
	equal("short forms", []any{*more.Check.TLS, more.Eject.Errors, more.Sticky.Cookie, more.Balance}, []any{CheckTLS{At: more.Check.TLS.At, Verify: true}, 0, "id", "least_time"})
	equal("a tcp check", []any{c.Upstreams[2].Check.HTTP, *c.Upstreams[2].Check.TLS, c.Upstreams[2].Eject.Errors}, []any{"", CheckTLS{At: c.Upstreams[2].Check.TLS.At}, 0})
	equal("a short check", []any{c.Upstreams[3].Check.HTTP, c.Upstreams[3].Check.TLS, c.Upstreams[3].Eject.Panic}, []any{"/up", (*CheckTLS)(nil), 0})
	equal("retry", c.Routes[0].Retry, Retry{Attempts: 2, Connect: true, MarkedDown: true, Statuses: []int{408, 503}, At: c.Routes[0].Retry.At})
	equal("admin", []any{c.Admin.Bind.V.String(), c.Admin.Bind.At, c.Admin.Token}, []any{"[::]:9901", Position{Line: 38, Column: 15}, "fedcba9876543210"})
	equal("resolvers", c.Runtime.Resolvers, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53"), netip.MustParseAddrPort("[::1]:5353")})
}

func TestNothingPrintsASecret(t *testing.T) {
	c, err := Parse("testdata/sluice.yaml", []byte(everyUpstreamValue))
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal([]any{c.Admin, c.Upstreams[0].Sticky})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		string(asJSON), fmt.Sprintf("%v %+v %#v %s %q", c.Admin, c.Admin, c.Admin, c.Admin, c.Admin), fmt.Sprintf("%+v %#v", *c, *c),
		fmt.Sprintf("%v %+v %#v", c.Upstreams[0].Sticky, *c.Upstreams[0].Sticky, *c.Upstreams[0].Sticky),
		c.Issue(c.Upstreams[0].Sticky.At, "", "").Error(), c.Issue(c.Admin.At, "", "").Error(),
	} {
		if strings.Contains(text, "0123456789abcdef") || strings.Contains(text, "fedcba9876543210") {
			t.Errorf("%s", text)
		}
	}
}

func TestWhoMayAskWithoutAToken(t *testing.T) {
	for bind, ok := range map[string]bool{"127.0.0.1:1": true, "127.8.0.1:1": true, "[::1]:1": true, "unix:/run/a": true, "[::ffff:127.0.0.1]:1": true,
		":1": false, "0.0.0.0:1": false, "10.0.0.1:1": false, "[fd00::1]:1": false} {
		for _, token := range []string{"", ", token: 0123456789abcdef"} {
			_, err := Parse("x.yaml", []byte(smallest+"admin: {bind: \""+bind+"\""+token+"}\n"))
			if (err == nil) != (ok || token != "") {
				t.Errorf("%s%s: %v", bind, token, err)
			}
		}
	}
}

func TestQueuesThatSomebodyEnters(t *testing.T) {
	for upstream, warned := range map[string]bool{
		`servers: "a:1", queue: {size: 1}`:                                         true,
		`servers: "a:1", queue: {size: 1}, max_connections: 1`:                     false,
		`servers: [{address: "a:1", max_connections: 1}, "b:1"], queue: {size: 1}`: false,
		`servers: "file:examples/servers.txt", queue: {size: 1}`:                   false,
		`servers: "a:1", queue: {size: 0}`:                                         false,
	} {
		c, err := Parse("x.yaml", []byte(strings.Replace(smallest, `servers: "10.0.0.1:80"`, upstream, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if (len(c.Warnings) > 0) != warned {
			t.Errorf("%s: %v", upstream, c.Warnings)
		}
	}
}

func TestParseServers(t *testing.T) {
	text := "\uFEFF# servers\r\n10.0.0.1:80 weight=2\tbackup max_connections=9#c\r\n\n   unix:run/x  backup=false # é\nhttp://B:81/ weight=0"
	got, issues := ParseServers(text, "/etc/servers.txt")
	if issues != nil {
		t.Fatal(issues)
	}
	want := []Server{
		{Address: Address{Network: "tcp", Host: "10.0.0.1", Port: 80}, At: Position{Line: 2, Column: 1}, Weight: 2, Backup: true, MaxConnections: 9,
			said: saidWeight | saidBackup | saidMaxConnections},
		{Address: Address{Network: "unix", Path: "/etc/run/x"}, At: Position{Line: 4, Column: 4}, Weight: 1, said: saidBackup},
		{Address: Address{Network: "tcp", Host: "b", Port: 81}, At: Position{Line: 5, Column: 1}, Scheme: "http", said: saidWeight},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	entry := Server{Weight: 5, Backup: true, MaxConnections: 4}
	for i, want := range [][]any{{2, true, 9}, {5, false, 4}, {0, true, 4}} {
		s := got[i].Inherit(entry)
		if !reflect.DeepEqual([]any{s.Weight, s.Backup, s.MaxConnections}, want) || s.Address != got[i].Address {
			t.Errorf("%+v", s)
		}
	}
	for _, empty := range []string{"", "\n\n", "# nobody\n", " \t"} {
		if got, issues := ParseServers(empty, "x"); got != nil || issues != nil {
			t.Errorf("%q: %v %v", empty, got, issues)
		}
	}
}

func TestFilesOfServersAreBounded(t *testing.T) {
	var many strings.Builder
	for i := range 10_001 {
		fmt.Fprintf(&many, "a%d:1\n", i)
	}
	for name, c := range map[string]struct{ text, want string }{
		"lines":    {many.String(), "x:10001:1: the file lists more than 10000 servers"},
		"bytes":    {strings.Repeat("#", 1_000_001), "x: the file has 1000001 bytes, and 1000000 are allowed"},
		"mistakes": {strings.Repeat("b\n", 400_000), "more errors are not shown"},
		"words":    {"a:1" + strings.Repeat(" a", 400_000), "x:1:5: unknown key"},
	} {
		if got, issues := ParseServers(c.text, "x"); got != nil || !strings.Contains(issues.Error(), c.want) {
			t.Errorf("%s: %.300v", name, issues)
		}
	}
	lines := strings.SplitAfter(many.String(), "\n")
	if got, issues := ParseServers(strings.Join(lines[:10_000], ""), "x"); len(got) != 10_000 || issues != nil {
		t.Errorf("%d servers, %v", len(got), issues)
	}
}

func TestALargeFileOfServersIsNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "servers.txt")
	if err := os.WriteFile(path, make([]byte, serversFileMax+1), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Parse("x.yaml", []byte(strings.Replace(smallest, "10.0.0.1:80", "file:"+path, 1)))
	if err == nil || !strings.Contains(err.Error(), "is not a regular file of at most 1000000B") {
		t.Error(err)
	}
}

// FuzzParseServers: no panic, issues point into the file, and servers keep the promises of Server.
func FuzzParseServers(f *testing.F) {
	for _, path := range []string{"examples/servers.txt", "testdata/servers-bad.txt", "testdata/servers-weightless.txt"} {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("\uFEFFa:1 weight==2\r\rb:1 =\n\x00 \xff\n#")
	f.Fuzz(func(t *testing.T, text string) {
		servers, issues := ParseServers(text, "/f/servers.txt")
		if servers != nil && issues != nil {
			t.Fatal("half a list")
		}
		lines := strings.Count(tree.Normal(text), "\n") + 1
		for _, i := range issues {
			if i.Message == "" || i.File != "/f/servers.txt" || i.At.Line > lines || strings.ContainsRune(i.Line, '\n') {
				t.Errorf("a bad issue: %+v", i)
			}
			_ = i.Error()
		}
		for _, s := range servers {
			if s.Weight < 0 || s.Weight > 256 || s.Discover != "" || s.MaxConnections < 0 || s.At.Line < 1 || s.At.Line > lines {
				t.Errorf("%+v", s)
			}
			if again, err := literal.FixedServer(s.Address.String(), "/"); err != nil || again != s.Address {
				t.Errorf("%+v: %v", s, err)
			}
		}
	})
}
