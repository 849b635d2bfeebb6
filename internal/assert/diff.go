package assert

import (
	"fmt"
	"strings"
)

// difference says how got departs from want: in one line each when they are short, else by the
// first line in which they part.
func difference(got, want any) string {
	g, w := render(got), render(want)
	if g == w { // equal in print but not in type or pointer
		return fmt.Sprintf("got  %T %s\nwant %T, which prints the same", got, g, want)
	}
	if !strings.Contains(g, "\n") && !strings.Contains(w, "\n") {
		return fmt.Sprintf("got  %s\nwant %s", g, w)
	}
	return lineDifference(strings.Split(g, "\n"), strings.Split(w, "\n"))
}

// lineDifference reports the first line in which two texts part, with its number.
func lineDifference(got, want []string) string {
	n := 0
	for n < len(got) && n < len(want) && got[n] == want[n] {
		n++
	}
	return fmt.Sprintf("line %d differs (got %d lines, want %d)\ngot  %s\nwant %s",
		n+1, len(got), len(want), lineAt(got, n), lineAt(want, n))
}

// lineAt quotes line n, so that stray blanks and carriage returns show.
func lineAt(lines []string, n int) string {
	if n >= len(lines) {
		return "(the text has ended)"
	}
	return fmt.Sprintf("%q", lines[n])
}

// render prints a value the way a reader compares it: texts as they are, bytes as text, the rest
// with field names.
func render(v any) string {
	switch v := v.(type) {
	case string:
		return quoteShort(v)
	case []byte:
		return quoteShort(string(v))
	case error:
		return fmt.Sprintf("error %q", v.Error())
	}
	return fmt.Sprintf("%+v", v)
}

// quoteShort quotes a text of one line and leaves a longer one to be compared by lines.
func quoteShort(s string) string {
	if strings.Contains(s, "\n") {
		return s
	}
	return fmt.Sprintf("%q", s)
}
