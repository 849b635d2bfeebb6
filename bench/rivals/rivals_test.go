package rivals

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestTemplatesRender starts `cat` on each configuration: what matters is that
// the file is written and complete.
func TestTemplatesRender(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, p := range Find(t.Context(), none, none) {
		for _, protocol := range []string{TCP, HTTP} {
			t.Run(p.Title()+" "+protocol, func(t *testing.T) {
				dir := t.TempDir()
				p.binary, p.argv = "true", func(string, string, string) []string { return []string{"true"} }
				plan := Plan{Dir: dir, Protocol: protocol, Listen: "127.0.0.1:20001", Origins: []string{"127.0.2.1:5", "127.0.2.2:5"}}
				run, err := p.Start(plan, -1)
				if err != nil {
					t.Fatal(err)
				}
				<-run.Done()
				run.Stop()
				text, err := os.ReadFile(filepath.Join(dir, "proxy.conf"))
				if err != nil {
					t.Fatal(err)
				}
				for _, want := range []string{"127.0.0.1:20001", "127.0.2.1:5", "127.0.2.2:5"} {
					if !strings.Contains(string(text), want) {
						t.Errorf("configuration lacks %q:\n%s", want, text)
					}
				}
			})
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
