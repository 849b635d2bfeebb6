package rivals

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nothing is a program that does nothing and has nothing against it.
func nothing(string, string, Plan) []string { return []string{"true"} }

// render writes a configuration as Start does, and reads it.
func render(t *testing.T, p *Proxy, plan Plan) string {
	t.Helper()
	plan.Dir, plan.Listen, plan.Origins = t.TempDir(), "127.0.0.1:20001", []string{"127.0.2.1:5", "127.0.2.2:5"}
	p.run = nothing
	running, err := p.Start(plan, -1)
	if err != nil {
		t.Fatal(err)
	}
	<-running.Done()
	running.Stop()
	text, err := os.ReadFile(filepath.Join(plan.Dir, "proxy.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), plan.Dir, "DIR")
}

// TestTemplatesRender wants every configuration to be complete, in each variation, and
// without what was not asked for.
func TestTemplatesRender(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	cert := &Certificate{CA: "/c/ca.pem", Cert: "/c/site.pem", Key: "/c/site.key", Both: "/c/both.pem"}
	for _, c := range []struct {
		name string
		plan Plan
		want map[string][]string // by proxy; "" = all
	}{
		{"tcp", Plan{Protocol: TCP}, nil},
		{"http", Plan{Protocol: HTTP}, nil},
		{"tls", Plan{Protocol: TLS, TLS: cert}, map[string][]string{
			Sluice: {"/c/site.pem", "/c/site.key", `"1.3"`}, Nginx: {"/c/site.pem", "/c/site.key", "TLSv1.3"}, HAProxy: {"/c/both.pem", "TLSv1.3"},
		}},
		{"reload", Plan{Protocol: HTTP, Reload: true, Also: "127.0.0.1:20002"}, map[string][]string{"": {"127.0.0.1:20002"}}},
		{"balance", Plan{Protocol: HTTP, Balance: "by_luck"}, map[string][]string{"": {"by_luck"}}},
		{"check", Plan{Protocol: HTTP, Check: true}, map[string][]string{Sluice: {"check: {tcp: true"}}},
		{"upgrade", Plan{Protocol: HTTP, Upgrade: true}, map[string][]string{Nginx: {"$http_upgrade"}}},
	} {
		for _, p := range Find(t.Context(), none, none) {
			text := render(t, p, c.plan)
			want := append([]string{"127.0.0.1:20001", "127.0.2.1:5", "127.0.2.2:5"}, append(c.want[p.Name], c.want[""]...)...)
			for _, word := range want {
				if !strings.Contains(text, word) {
					t.Errorf("%s, %s: the configuration lacks %q:\n%s", c.name, p.Title(), word, text)
				}
			}
			for _, word := range []string{"/c/", "20002", "by_luck", "http_upgrade", "check"} {
				if c.want == nil && strings.Contains(text, word) {
					t.Errorf("%s, %s: the configuration has %q:\n%s", c.name, p.Title(), word, text)
				}
			}
		}
	}
}

// TestFailoverIsTuned: as shipped, nobody looks whether servers are well.
func TestFailoverIsTuned(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, p := range Find(t.Context(), none, "") {
		without, with := render(t, p, Plan{Protocol: HTTP}), render(t, p, Plan{Protocol: HTTP, Failover: true})
		if (without != with) != (p.Setting == Tuned) {
			t.Errorf("%s: failover changes the configuration: %v", p.Title(), without != with)
		}
	}
}

// TestPeersTakeTheirConfigurations asks those that are installed.
func TestPeersTakeTheirConfigurations(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, p := range Find(t.Context(), none, "") {
		for _, plan := range []Plan{
			{Protocol: TCP}, {Protocol: HTTP}, {Protocol: HTTP, Upgrade: true}, {Protocol: HTTP, Failover: true},
			{Protocol: HTTP, Reload: true, Also: "127.0.0.1:20003"}, {Protocol: TLS},
		} {
			if why := p.Missing(plan.Protocol); why != "" {
				t.Logf("%s: %s", p.Title(), why)
				continue
			}
			plan.Dir, plan.Listen, plan.Origins = t.TempDir(), "127.0.0.1:20002", []string{"127.0.2.1:5"}
			if plan.Protocol == TLS {
				var err error
				if plan.TLS, err = NewCertificate(plan.Dir); err != nil {
					t.Fatal(err)
				}
			}
			if refusal, err := p.Refusal(t.Context(), plan); err != nil || refusal != "" {
				t.Errorf("%s refuses %+v: %s, %v", p.Title(), plan, refusal, err)
			}
		}
	}
}

// TestRefusalIsTheFirstLine: what a program says against a configuration, without the
// path of it.
func TestRefusalIsTheFirstLine(t *testing.T) {
	p := sluice(Default, "sh")
	p.check = func(_, config string, _ Plan) []string {
		return []string{"sh", "-c", "echo; echo " + config + ":3:5: unknown key; echo more; exit 1"}
	}
	got, err := p.Refusal(t.Context(), Plan{Dir: t.TempDir(), Protocol: HTTP})
	if err != nil || got != "proxy.conf:3:5: unknown key" {
		t.Errorf("refusal %q, %v", got, err)
	}
	p.check = nothing
	if got, err := p.Refusal(t.Context(), Plan{Dir: t.TempDir(), Protocol: HTTP}); err != nil || got != "" {
		t.Errorf("refusal %q, %v", got, err)
	}
	p.check = func(string, string, Plan) []string { return []string{filepath.Join(t.TempDir(), "none")} }
	if _, err := p.Refusal(t.Context(), Plan{Dir: t.TempDir(), Protocol: HTTP}); err == nil {
		t.Error("a program that is not there has nothing against it")
	}
}

func TestNamed(t *testing.T) {
	self := fmt.Sprint(os.Getpid())
	p, err := Named("caddy=127.0.0.1:8080@" + self)
	if err != nil {
		t.Fatal(err)
	}
	running, err := p.Start(Plan{}, -1)
	if err != nil || running.Listen != "127.0.0.1:8080" || running.PIDs()[0] != os.Getpid() || p.Started() {
		t.Errorf("%+v, %v", running, err)
	}
	running.Stop() // must not end this test
	for protocol, ok := range map[string]bool{HTTP: true, TCP: false, TLS: false} {
		if why, _ := p.Refusal(t.Context(), Plan{Protocol: protocol}); (why == "") != ok {
			t.Errorf("%s: %q", protocol, why)
		}
	}
	if p, err = Named("caddy=127.0.0.1:8080"); err != nil {
		t.Fatal(err)
	}
	if running, _ = p.Start(Plan{}, -1); running.PIDs() != nil {
		t.Errorf("processes %v of a proxy without a process id", running.PIDs())
	}
	for _, bad := range []string{
		"caddy", "=127.0.0.1:1", "caddy=localhost:80", "caddy=[::1]:80", "caddy=127.0.0.1:0", "caddy=127.0.0.1:80@", "caddy=127.0.0.1:80@x",
		"caddy=127.0.0.1:80@-1", "caddy=127.0.0.1:80@999999999", "nginx=127.0.0.1:80", "a b=127.0.0.1:80",
	} {
		if _, err := Named(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// TestCertificate: a client that trusts the authority believes the site.
func TestCertificate(t *testing.T) {
	c, err := NewCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{c.Key, c.Both} {
		cert := c.Cert
		if key == c.Both {
			cert = c.Both
		}
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		authority, err := os.ReadFile(c.CA)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(authority)
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: ServerName, Roots: roots}); err != nil {
			t.Errorf("%s: %v", filepath.Base(key), err)
		}
		if _, ok := pair.PrivateKey.(*ecdsa.PrivateKey); !ok {
			t.Errorf("a key of the type %T", pair.PrivateKey)
		}
	}
}

func TestMissingSluiceSaysSo(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	all := Find(t.Context(), none, none)
	for i, title := range []string{"sluice", "sluice base"} {
		if all[i].Title() != title || all[i].Missing(HTTP) == "" || all[i].stop != syscall.SIGINT {
			t.Errorf("proxy %d: %+v", i, all[i])
		}
	}
}

func TestVersion(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		Sluice:  {"sluice 1a2b3c4 (go1.26.0, linux/amd64)\n", "1a2b3c4"},
		Nginx:   {"nginx version: nginx/1.22.1\nbuilt by gcc 12.2.0", "1.22.1"},
		HAProxy: {"HAProxy version 2.6.12-1+deb12u4 2026/10/17", "2.6.12-1+deb12u4"},
	} {
		if got := (&Proxy{Name: name}).version([]byte(c.text)); got != c.want {
			t.Errorf("version of %s = %q", name, got)
		}
	}
}

func TestNginxWithoutStreamStillSpeaksHTTP(t *testing.T) {
	p := Proxy{Name: Nginx, lacksTCP: "no stream module"}
	if p.Missing(TCP) == "" || p.Missing(HTTP) != "" {
		t.Errorf("missing for TCP %q, for HTTP %q", p.Missing(TCP), p.Missing(HTTP))
	}
}

func TestStreamModule(t *testing.T) {
	dir := t.TempDir()
	build := "configure arguments: --modules-path=" + dir + " --with-stream=dynamic --with-stream_ssl_module"
	if _, missing := streamModule(build); missing == "" {
		t.Error("a module that does not exist is found")
	}
	path := filepath.Join(dir, "ngx_stream_module.so")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if module, missing := streamModule(build); module != path || missing != "" {
		t.Errorf("module = %q, %q", module, missing)
	}
	if module, missing := streamModule("--with-http_v2_module --with-stream --with-x"); module != "" || missing != "" {
		t.Errorf("a built-in module: %q, %q", module, missing)
	}
}
