package configs

// Files that are part of the configuration: lists of clients' addresses.

import (
	"net/netip"
	"strings"

	"sluice/configs/literal"
	"sluice/configs/tree"
)

// prefixFileMax bounds a deny_file: about a million lines.
const prefixFileMax = 16 << 20

// readPrefixes reads a file with one CIDR or address a line; '#' begins a comment. The error is about the file as a whole,
// the issues are about its lines.
func readPrefixes(path string) (prefixes []netip.Prefix, issues Issues, err error) {
	text, err := literal.ReadText(path, prefixFileMax)
	if err != nil {
		return nil, nil, err
	}
	src := tree.NewSource(path, text)
	for i, line := range src.Lines {
		entry, _, _ := strings.Cut(line, "#")
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		p, err := literal.Prefix(entry)
		if err != nil {
			column := 1 + len([]rune(line[:strings.Index(line, entry)]))
			issues = append(issues, src.Issue(Position{Line: i + 1, Column: column}, err.Error(), literal.HintOf(err)))
			continue
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, issues, nil
}
