package configs

import (
	"strings"
	"testing"
)

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
