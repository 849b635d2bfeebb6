package literal

import (
	"strings"
	"testing"
	"time"
)

func TestDurationsAndSizes(t *testing.T) {
	for text, want := range map[string]time.Duration{"30s": 30 * time.Second, "1h30m": 90 * time.Minute, "1.5s": 1500 * time.Millisecond, "0s": 0} {
		if got, err := Duration(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for text, want := range map[string]Size{"0B": 0, "16KiB": 16 << 10, "3MiB": 3 << 20, "1TiB": 1 << 40} {
		got, err := ParseSize(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "30", "0", "-1s", "+1s", "s", "1 s", "1d", "9999999999999h"} {
		if d, err := Duration(text); err == nil {
			t.Errorf("duration %q is %v", text, d)
		}
	}
	for _, text := range []string{"", "1", "KiB", "1KB", "1.5KiB", "-1KiB", "1 KiB", "99999999999TiB", "99999999999999999999B"} {
		if s, err := ParseSize(text); err == nil {
			t.Errorf("size %q is %v", text, s)
		}
	}
}

func TestExpand(t *testing.T) {
	env := map[string]string{"A": "x", "EMPTY": "", "TRICK": "${A}"}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	for text, want := range map[string]string{
		"plain": "plain", "$A $": "$A $", "${A}": "x", "-${A}${A}-": "-xx-", "${B:-d}": "d", "${B:-}": "", "${EMPTY}": "",
		"${EMPTY:-d}": "d", "${A:-d}": "x", "$${A}": "${A}", "$${A}${A}": "${A}x", "${TRICK}": "${A}", "${B:-a:-b}": "a:-b",
	} {
		if got, err := Expand(text, lookup); err != nil || got != want {
			t.Errorf("%s: %q %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"${B}", "${", "${A", "${}", "${1}", "${a b}", "${:-x}", "${A}${B}"} {
		if got, err := Expand(text, lookup); err == nil {
			t.Errorf("%s is %q", text, got)
		}
	}
}

func TestEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}} {
		if got := edits(c.a, c.b); got != c.want || edits(c.b, c.a) != c.want {
			t.Errorf("%q %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"listeners", "routes", "upstreams", "v1", "warn", "max_connections"}
	for word, want := range map[string]string{"listner": "listeners", "Routes": "routes", "warning": "warn", "max-connection": "max_connections",
		"v3": "", "tls": "", "": "", strings.Repeat("x", 1000): ""} {
		if got, _ := Nearest(word, words); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

// FuzzValues: no parser of a value panics, and what is accepted keeps the promises of Config.
func FuzzValues(f *testing.F) {
	for _, seed := range []string{"", "*", "*.a.example", "[::1]", "/a/*", "/%41", "GET", "websocket", "X-A", "https://{host}{uri}", "/{path}", "header:X", "1KiB/s",
		"http://a:1/", "{host}:80", "https://a{query}", "//", "https://a/\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		reject := func(what, got string, bad bool) {
			if bad {
				t.Errorf("%s: %q gives %q", what, text, got)
			}
		}
		if v, err := Host(text); err == nil {
			reject("host", v, v == "" || v != strings.ToLower(v) || strings.ContainsAny(v, "/ \t\r\n"))
		}
		if v, err := PathPattern(text); err == nil {
			reject("path", v, !strings.HasPrefix(v, "/") || strings.ContainsAny(v, "?# \t\r\n") || strings.Contains(strings.TrimSuffix(v, "*"), "*"))
		}
		if v, err := StripPrefix(text); err == nil {
			reject("strip_prefix", v, !strings.HasPrefix(v, "/") || strings.HasSuffix(v, "/"))
		}
		if v, err := Field(text); err == nil {
			reject("field", v, v == "" || strings.ContainsAny(v, ": \t\r\n"))
		}
		if v, err := FieldValue(text); err == nil {
			reject("value", v, strings.ContainsAny(v, "\x00\r\n"))
		}
		if v, err := Location(text); err == nil {
			reject("location", v, strings.ContainsAny(v, "\\ \t\r\n") || strings.HasPrefix(v, "//") || strings.HasPrefix(v, "/{path}"))
		}
		if v, err := NewHost(text); err == nil {
			reject("rewrite.host", v, v == "" || strings.ContainsAny(v, "/@?# \t\r\n"))
		}
		for _, k := range []func(string) (string, error){Method, Upgrade, HashKey, RequestField, Body, SNI, ALPN, Name} {
			_, _ = k(text)
		}
		_, _ = Rate(text)
		_, _ = Duration(text)
		_, _ = Prefix(text)
		_, _ = Server(text, "/")
		_, _ = Bind(text, "/")
	})
}
