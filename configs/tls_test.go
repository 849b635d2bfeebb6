package configs

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// everyTLSValue has a value other than the default for every key about TLS.
const everyTLSValue = `
listeners:
  web:
    bind: ":443"
    tls:
      certificates: [{cert: certs/site.pem, key: certs/site.key}, certs/both.pem]
      min_version: 1.3
      client_auth: require
      client_ca: certs/ca.pem
      client_crl: certs/crl.pem
      ocsp: certs/staple.der
      ticket_keys: certs/tickets.key
      unknown_sni: default
      client_headers: true
    timeouts: {hello: 1s, handshake: 2s}
    upstream: app
  db: {bind: ":444", protocol: tcp, upstream: app, tls: {certificates: {cert: certs/both.pem}}}
  raw: {bind: ":445", protocol: tcp}
routes:
  - {sni: a.example, passthrough: true, upstream: plain}
  - {alpn: smtp, passthrough: true, listeners: web, upstream: plain}
  - {passthrough: true, upstream: plain}
  - {sni: b.example, listeners: db, upstream: app}
  - {hosts: a.example, upstream: bare}
upstreams:
  app:
    servers: ["https://App.example:443", "b:1"]
    tls: {server_name: App.example, ca: certs/ca.pem, cert: certs/client.pem, key: certs/client.key, verify: true}
    timeouts: {tls: 1s}
    check: /
  bare: {servers: ["https://a:1", "https://b:1"], check: {http: /, tls: true}}
  plain: {servers: ["http://a:1", "b:1"], check: {tcp: true, tls: {cert: certs/both.pem, verify: false}}}
  off: {servers: "a:1", tls: false, check: tcp}
  own: {servers: "a:1", tls: true, check: {tcp: true, tls: false}}
`

func TestEveryTLSValueArrives(t *testing.T) {
	inTheirFolder(t)
	c, err := Parse("sluice.yaml", []byte(everyTLSValue))
	if err != nil {
		t.Fatal(err)
	}
	equal := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", what, got, want)
		}
	}
	web, db := c.Listeners[0], c.Listeners[1]
	certs := web.TLS.Certificates
	equal("tls", *web.TLS, TLS{At: web.TLS.At, Certificates: certs, MinVersion: "1.3", ClientAuth: "require", ClientCA: "certs/ca.pem", ClientCRL: "certs/crl.pem",
		OCSP: "certs/staple.der", TicketKeys: "certs/tickets.key", UnknownSNI: "default", ClientHeaders: true})
	equal("certificates", certs, []Certificate{{"certs/site.pem", "certs/site.key", Position{Line: 6, Column: 22}}, {"certs/both.pem", "certs/both.pem", Position{Line: 6, Column: 67}}})
	equal("timeouts", []time.Duration{web.Timeouts.Hello, web.Timeouts.Handshake, c.Upstreams[0].Timeouts.TLS, c.Upstreams[1].Timeouts.TLS},
		[]time.Duration{time.Second, 2 * time.Second, time.Second, 5 * time.Second})
	equal("defaults", *db.TLS, TLS{At: db.TLS.At, Certificates: db.TLS.Certificates, MinVersion: "1.2", ClientAuth: "none", UnknownSNI: "reject"})
	equal("no tls", c.Listeners[2].TLS, (*TLS)(nil))

	var listeners [][]string
	for _, r := range c.Routes[:5] {
		listeners = append(listeners, r.Listeners)
	}
	equal("listeners of routes", listeners, [][]string{{"web", "db", "raw"}, {"web"}, {"raw"}, {"db"}, {"web"}})

	app, bare, plain := c.Upstreams[0], c.Upstreams[1], c.Upstreams[2]
	equal("app", *app.TLS, UpstreamTLS{app.TLS.At, "app.example", "certs/ca.pem", "certs/client.pem", "certs/client.key", true})
	equal("by https", *bare.TLS, UpstreamTLS{At: Position{Line: 31, Column: 20}, Verify: true})
	equal("schemes", []string{app.Servers[0].Scheme, app.Servers[1].Scheme, plain.Servers[0].Scheme}, []string{"https", "", "http"})
	equal("addresses", app.Servers[0].Address, Address{Network: "tcp", Host: "app.example", Port: 443})
	equal("checks like their upstream", []*UpstreamTLS{app.Check.TLS, bare.Check.TLS}, []*UpstreamTLS{app.TLS, bare.TLS})
	equal("a check of its own", *plain.Check.TLS, UpstreamTLS{At: plain.Check.TLS.At, Cert: "certs/both.pem", Key: "certs/both.pem"})
	equal("neither", []*UpstreamTLS{plain.TLS, c.Upstreams[3].TLS, c.Upstreams[3].Check.TLS, c.Upstreams[4].Check.TLS}, make([]*UpstreamTLS, 4))
	if !c.Upstreams[4].TLS.Verify {
		t.Error("tls: true does not verify")
	}
}

func TestWhichServersGoTogether(t *testing.T) {
	const plain, tls, schemed, named = "servers: \"a:1\"", "servers: \"a:1\", tls: true", "servers: \"https://a:1\"", "servers: \"a:1\", tls: {server_name: a}"
	for _, c := range []struct {
		upstream, server string
		ok               bool
	}{
		{plain, "a:2", true}, {plain, "http://a:2", true}, {plain, "https://a:2", false}, {plain, "unix:/a", true},
		{tls, "a:2", true}, {tls, "http://a:2", false}, {tls, "https://a:2", true}, {tls, "unix:/a", false},
		{schemed, "a:2", false}, {schemed, "http://a:2", false}, {schemed, "https://a:2", true}, {schemed, "unix:/a", false},
		{named, "unix:/a", true}, {"servers: \"a:1\", tls: {verify: false}", "unix:/a", true},
	} {
		config, err := Parse("x.yaml", []byte("listeners: {a: {bind: \":1\", upstream: app}}\nupstreams: {app: {"+c.upstream+"}}\n"))
		if err != nil {
			t.Fatal(err)
		}
		servers, issues := ParseServers(c.server, "x")
		if issues != nil {
			t.Fatal(issues)
		}
		if why := config.Upstreams[0].Refuses(servers[0]); (why == "") != c.ok {
			t.Errorf("%s with %s: %q", c.upstream, c.server, why)
		}
	}
}

func TestCertificatesThatExpireSoon(t *testing.T) {
	inTheirFolder(t)
	m, now := maker{t, "certs"}, time.Now()
	src := "listeners: {a: {bind: \":1\", upstream: app, tls: {certificates: {cert: certs/soon.pem, key: certs/soon.key}}}}\nupstreams: {app: {servers: \"a:1\"}}\n"
	for _, c := range []struct {
		from, to time.Duration
		want     string
	}{
		{-time.Hour, 15 * 24 * time.Hour, ""}, {-time.Hour, 13 * 24 * time.Hour, "expires on " + now.Add(13*24*time.Hour).UTC().Format(time.DateOnly)},
		{time.Hour, 1000 * time.Hour, "is not valid before"},
	} {
		m.issue(issuer{}, "soon", now.Add(c.from), now.Add(c.to), "a.example")
		config, err := Parse("sluice.yaml", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		if got := config.Warnings.Error(); (got == "") != (c.want == "") || !strings.Contains(got, c.want) || c.want != "" && !strings.HasPrefix(got, "sluice.yaml:1:71: certs/soon.pem has the certificate of \"a.example\"") {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestSecretsThatEverybodyCanRead(t *testing.T) {
	inTheirFolder(t)
	for key, wanted := range map[string]string{
		"certificates: {cert: certs/site.pem, key: FILE}":               "certs/site.key",
		"certificates: FILE":                                            "certs/both.pem",
		"certificates: certs/both.pem, ticket_keys: FILE":               "certs/tickets.key",
		"certificates: certs/both.pem, ocsp: FILE, unknown_sni: reject": "certs/staple.der",
	} {
		src := "listeners: {a: {bind: \":1\", upstream: app, tls: {" + strings.ReplaceAll(key, "FILE", wanted) + "}}}\nupstreams: {app: {servers: \"a:1\"}}\n"
		for _, mode := range []os.FileMode{0o600, 0o640, 0o644, 0o604} {
			if err := os.Chmod(filepath.FromSlash(wanted), mode); err != nil {
				t.Fatal(err)
			}
			c, err := Parse("sluice.yaml", []byte(src))
			if err != nil {
				t.Fatal(err)
			}
			secret := !strings.HasSuffix(wanted, ".der")
			if warned := strings.Contains(c.Warnings.Error(), wanted+" holds secrets"); warned != (secret && mode&4 != 0) {
				t.Errorf("%s with %o: %v", wanted, mode, c.Warnings)
			}
		}
		if err := os.Chmod(wanted, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
