package literal

// Texts with placeholders, in header values, answers, redirects and rewrite.host:
//
//	https://{host}{uri}   →  "https://", then the request's host, then its path and query
//	{{host}               →  "{host}"
//	{"status": "ok"}      →  itself: only a word between braces is a placeholder
//
// The loader has checked every Template in a Config, so whoever compiles one need not look for mistakes.

import (
	"slices"
	"strings"
)

// A Part of a template is a literal text or a placeholder; the other field is "".
type Part struct {
	Text string
	Name string // host | path | uri | query | client_ip | scheme
}

// placeholders are the names that a template may have.
var placeholders = []string{"host", "path", "uri", "query", "client_ip", "scheme"}

// Template splits text into its parts, in order. Neighbouring literals are one part, and an empty text has none. Where text does
// not come from a Config, names may be unknown.
func Template(text string) []Part {
	var parts []Part
	literal := ""
	for {
		before, after, found := strings.Cut(text, "{")
		literal += before
		if !found {
			break
		}
		name, rest, closed := strings.Cut(after, "}")
		switch {
		case strings.HasPrefix(after, "{"):
			literal, text = literal+"{", after[1:]
		case !closed || name == "" || strings.ContainsFunc(name, notInPlaceholder):
			literal, text = literal+"{", after
		default:
			if literal != "" {
				parts = append(parts, Part{Text: literal})
			}
			parts = append(parts, Part{Name: name})
			literal, text = "", rest
		}
	}
	if literal != "" {
		parts = append(parts, Part{Text: literal})
	}
	return parts
}

func notInPlaceholder(r rune) bool { return !isLetterOrDigit(r) && r != '_' && r != '-' }

// parseTemplate splits text and refuses placeholders other than the allowed ones.
func parseTemplate(text string, allowed []string) ([]Part, error) {
	parts := Template(text)
	for _, p := range parts {
		if p.Name == "" || slices.Contains(allowed, p.Name) {
			continue
		}
		hint := "here stand only " + braces(allowed)
		if near, ok := Nearest(p.Name, allowed); ok {
			hint = "did you mean {" + near + "}?"
		}
		return nil, Bad(hint+"; {{ writes a literal {", "{%s} is not a placeholder", p.Name)
	}
	return parts, nil
}

// braces lists names as a user writes them.
func braces(names []string) string {
	var all []string
	for _, n := range names {
		all = append(all, "{"+n+"}")
	}
	return InWords(all, "and")
}
