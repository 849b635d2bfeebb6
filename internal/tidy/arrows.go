package tidy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// checkArrows finds imports that the table of arrows does not allow, and packages the table does
// not know. Tests may use internal helpers on top of what their room may import.
func checkArrows(t *tree, rules Rules) (findings []Finding) {
	for p, f := range t.sources {
		arrow, known := rules.arrow(p.dir)
		if !known {
			findings = append(findings, Finding{Rule: "arrows", File: f.name,
				Text: "no arrow of internal/tidy/house.go covers this package: give the room its place in the house first"})
			continue
		}
		for _, spec := range f.ast.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if text := rules.refuse(arrow, f, imported); text != "" {
				findings = append(findings, Finding{Rule: "arrows", File: f.name, Line: t.line(spec.Pos()), Text: text})
			}
		}
	}
	return findings
}

// arrow is the first that covers the package.
func (r Rules) arrow(dir string) (Arrow, bool) {
	at := slices.IndexFunc(r.Arrows, func(a Arrow) bool { return match(a.From, dir) })
	if at < 0 {
		return Arrow{}, false
	}
	return r.Arrows[at], true
}

// refuse says why the file must not import the package; "" when it may.
func (r Rules) refuse(arrow Arrow, f *file, imported string) string {
	room, ours := r.room(imported)
	switch {
	case ours && f.test && match("internal/**", room), ours && matchAny(arrow.To, room):
		return ""
	case ours && len(arrow.To) == 0:
		return fmt.Sprintf("%s must not import %s: it is a leaf, free to all because it needs nobody", arrow.From, room)
	case ours:
		return fmt.Sprintf("%s must not import %s: rooms import lower rows only (allowed: %s), or changes spread sideways and up",
			arrow.From, room, list(arrow.To))
	case imported == "C":
		return "cgo is not used: the binary is static"
	case isStd(imported) || matchAny(arrow.Libraries, imported):
		return ""
	}
	return fmt.Sprintf("%s must not import %s: each library has its rooms (allowed here: %s), or replacing one is everybody's work",
		arrow.From, imported, list(arrow.Libraries))
}

// list prints what is allowed.
func list(patterns []string) string {
	if len(patterns) == 0 {
		return "none"
	}
	return strings.Join(patterns, " ")
}

// room is the package's path below the root, if it is one of ours.
func (r Rules) room(imported string) (string, bool) {
	if imported == r.Module {
		return ".", true
	}
	return strings.CutPrefix(imported, r.Module+"/")
}

// isStd says whether a package comes with Go: only those have no dot in their first element.
func isStd(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// match reports whether a package path matches a pattern of the Arrow form.
func match(pattern, dir string) bool {
	if pattern == "**" {
		return true
	}
	if above, ok := strings.CutSuffix(pattern, "/**"); ok {
		return dir == above || strings.HasPrefix(dir, above+"/")
	}
	return dir == pattern
}

// matchAny reports whether one of the patterns matches.
func matchAny(patterns []string, dir string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, dir) })
}
