package configs

import (
	"strings"
	"testing"
	"time"
)

func TestDurationsAndSizes(t *testing.T) {
	for text, want := range map[string]time.Duration{"30s": 30 * time.Second, "1h30m": 90 * time.Minute, "1.5s": 1500 * time.Millisecond, "0s": 0} {
		if got, err := parseDuration(scalar{text: text}); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for text, want := range map[string]Size{"0B": 0, "16KiB": 16 << 10, "3MiB": 3 << 20, "1TiB": 1 << 40} {
		got, err := parseSize(scalar{text: text})
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "30", "0", "-1s", "+1s", "s", "1 s", "1d", "9999999999999h"} {
		if d, err := parseDuration(scalar{text: text}); err == nil {
			t.Errorf("duration %q is %v", text, d)
		}
	}
	for _, text := range []string{"", "1", "KiB", "1KB", "1.5KiB", "-1KiB", "1 KiB", "99999999999TiB", "99999999999999999999B"} {
		if s, err := parseSize(scalar{text: text}); err == nil {
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
		if got, err := expand(text, lookup); err != nil || got != want {
			t.Errorf("%s: %q %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"${B}", "${", "${A", "${}", "${1}", "${a b}", "${:-x}", "${A}${B}"} {
		if got, err := expand(text, lookup); err == nil {
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
		if got, _ := nearest(word, words); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

func TestExcerptIsSafeAndShort(t *testing.T) {
	text, blanks := excerpt("\ta: \x1b[31mé", 6)
	if text != "\ta: ?[31mé" || blanks != "\t    " {
		t.Errorf("%q %q", text, blanks)
	}
	long := strings.Repeat("a", 5000) + "X" + strings.Repeat("b", 5000)
	text, blanks = excerpt(long, 5001)
	if len(text) > excerptMax+8 || text[len(blanks)] != 'X' {
		t.Errorf("%q %q", text, blanks)
	}
	if text, blanks = excerpt("ab", 99); text != "ab" || blanks != "  " {
		t.Errorf("beyond the end: %q %q", text, blanks)
	}
}

func TestLogTargets(t *testing.T) {
	for text, want := range map[string]string{"off": "off", "./off": "./off", "a.log": "./a.log", "/var/log/a": "/var/log/a"} {
		if got, err := parseLogTarget(scalar{text: text, dir: "."}); err != nil || got != want {
			t.Errorf("%s: %q %v", text, got, err)
		}
	}
}
