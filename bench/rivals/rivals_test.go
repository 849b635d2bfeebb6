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
	for _, p := range Find(t.Context(), filepath.Join(t.TempDir(), "none")) {
		t.Run(p.Title(), func(t *testing.T) {
			dir := t.TempDir()
			p.binary, p.argv = "true", func(string, string, string) []string { return []string{"true"} }
			run, err := p.Start(Plan{Dir: dir, Listen: "127.0.0.1:20001", Origins: []string{"127.0.2.1:5", "127.0.2.2:5"}}, -1)
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

func TestMissingSluiceSaysSo(t *testing.T) {
	all := Find(t.Context(), filepath.Join(t.TempDir(), "none"))
	if all[0].Name != Sluice || all[0].Missing == "" || all[0].stop != syscall.SIGINT {
		t.Errorf("first proxy: %+v", all[0])
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
