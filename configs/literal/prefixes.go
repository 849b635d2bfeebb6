package literal

// Files with clients' addresses.

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// A Slip is a mistake in a line of a file, both counted from 1, columns in characters.
type Slip struct {
	Line, Column int
	Err          error
}

// Prefixes reads lines of one CIDR or address each; '#' begins a comment.
func Prefixes(lines []string) (prefixes []netip.Prefix, slips []Slip) {
	for i, line := range lines {
		entry, _, _ := strings.Cut(line, "#")
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		p, err := Prefix(entry)
		if err != nil {
			column := 1 + utf8.RuneCountInString(line[:strings.Index(line, entry)])
			slips = append(slips, Slip{Line: i + 1, Column: column, Err: err})
			continue
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, slips
}
