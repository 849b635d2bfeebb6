package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A configuration is the same as itself, also with every line moved, and not with any value changed.
func TestSame(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("examples/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	makeCertificates(t, filepath.Join(dir, "certs"))
	for _, name := range []string{"blocked.txt", "servers.txt"} {
		text, err := os.ReadFile(filepath.Join("examples", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	load := func(text string) *Config {
		c, err := Parse(filepath.Join(dir, "full.yaml"), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		c.Warnings, c.source = nil, nil
		return c
	}
	full := load(string(text))
	if !Same(full, load("# one line more\n"+string(text))) {
		t.Error("lines that have moved are a change")
	}
	for _, change := range []struct{ from, to string }{
		{"header: 15s", "header: 16s"}, {"budget: 20%", "budget: 21%"}, {"level: info", "level: warn"},
		{"loops: auto", "loops: 3"}, {"status: 308", "status: 301"},
		{"10.0.0.0/8", "10.0.0.0/9"},
	} {
		if !strings.Contains(string(text), change.from) {
			t.Fatalf("%s is not in the example", change.from)
		}
		if Same(full, load(strings.Replace(string(text), change.from, change.to, 1))) {
			t.Errorf("%s instead of %s is no change", change.to, change.from)
		}
	}
}

// What needs a restart is what the schema says, and is named by its whole key.
func TestNeedRestart(t *testing.T) {
	t.Parallel()
	load := func(runtime string) *Config {
		c, err := Parse("f.yaml", []byte("listeners: {a: {bind: \":1\", upstream: b}}\nupstreams: {b: {servers: [\"127.0.0.1:1\"]}}\n"+runtime))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for text, want := range map[string]string{
		"":                                  "",
		"runtime: {loops: auto}":            "",
		"runtime: {loops: 2, drain: 1s}":    "runtime.loops",
		"runtime: {memory: 1GiB}":           "runtime.memory",
		"log: {level: warn}":                "",
		"runtime: {loops: 1, memory: 1GiB}": "runtime.loops runtime.memory",
	} {
		if got := strings.Join(NeedRestart(load(""), load(text)), " "); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
