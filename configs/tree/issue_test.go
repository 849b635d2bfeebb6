package tree

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
