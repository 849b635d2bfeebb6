package configs

// Values that are files: where log records go, and lists of clients' addresses.

import (
	"io"
	"net/netip"
	"os"
	"strings"

	"sluice/configs/literal"
)

var logPath = kind[string]{name: "stdout, stderr, off or a file", parse: parseLogTarget}

// parseLogTarget reads a word or a path. Paths keep a slash, so that a file named off cannot be mistaken for the word.
func parseLogTarget(s scalar) (string, error) {
	words := []string{"stdout", "stderr", "off"}
	for _, w := range words {
		if s.text == w {
			return w, nil
		}
	}
	if s.text == "" || strings.ContainsRune(s.text, 0) {
		return "", literal.Bad("write stdout, stderr, off or the path of a file", "%q is not a path", s.text)
	}
	if near, ok := literal.Nearest(s.text, words); ok && !strings.Contains(s.text, "/") {
		return "", literal.Bad("write "+near+", or ./"+s.text+" for a file of that name", "%q is almost %s", s.text, near)
	}
	path := literal.JoinPath(s.dir, s.text)
	if !strings.Contains(path, "/") {
		path = "./" + path
	}
	return path, nil
}

// prefixFileMax bounds a deny_file: about a million lines.
const prefixFileMax = 16 << 20

// readPrefixes reads a file with one CIDR or address a line; '#' begins a comment. The error is about the file as a whole,
// the issues are about its lines.
func readPrefixes(path string) (prefixes []netip.Prefix, issues Issues, err error) {
	const hint = "the file holds one CIDR or IP address a line"
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, literal.Bad("relative paths start at the folder of the configuration file", "%s: %s", path, plainError(err))
	}
	if !info.Mode().IsRegular() || info.Size() > prefixFileMax {
		return nil, nil, literal.Bad(hint, "%s is not a regular file of at most %s", path, Size(prefixFileMax))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, literal.Bad("", "%s: %s", path, plainError(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, prefixFileMax))
	if err != nil {
		return nil, nil, literal.Bad("", "%s: %s", path, plainError(err))
	}
	src := newSource(path, string(text))
	for i, line := range src.lines {
		entry, _, _ := strings.Cut(line, "#")
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		p, err := literal.Prefix(entry)
		if err != nil {
			column := 1 + len([]rune(line[:strings.Index(line, entry)]))
			issues = append(issues, src.issue(Position{Line: i + 1, Column: column}, err.Error(), literal.HintOf(err)))
			continue
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, issues, nil
}
