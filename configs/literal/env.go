package literal

// ${NAME} and ${NAME:-default} in scalars. A name that is not set, without a default, is an error and never an empty string:
// an empty secret or address would be far worse than a refusal to start. "$${" writes a literal "${"; a lone "$" is itself.

import (
	"fmt"
	"strings"
)

// Expand replaces the variables of text by what lookup knows.
func Expand(text string, lookup func(string) (string, bool)) (string, error) {
	if !strings.Contains(text, "${") {
		return text, nil
	}
	var b strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			b.WriteString(text)
			return b.String(), nil
		}
		if i > 0 && text[i-1] == '$' {
			b.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		}
		b.WriteString(text[:i])
		inside, rest, closed := strings.Cut(text[i+2:], "}")
		if !closed {
			return "", Bad(`write ${NAME} or ${NAME:-default}; "$${" for a literal "${"`, "${ without a closing }")
		}
		value, err := variable(inside, lookup)
		if err != nil {
			return "", err
		}
		b.WriteString(value)
		text = rest
	}
}

// variable returns the value of NAME or NAME:-default.
func variable(inside string, lookup func(string) (string, bool)) (string, error) {
	name, def, hasDefault := strings.Cut(inside, ":-")
	if !validVariable(name) {
		return "", Bad("write ${NAME} or ${NAME:-default}, NAME of letters, digits and _", "%q is not the name of an environment variable", name)
	}
	if value, ok := lookup(name); ok && (value != "" || !hasDefault) {
		return value, nil
	}
	if hasDefault {
		return def, nil
	}
	return "", Bad(fmt.Sprintf("set it, or write ${%s:-default}", name), "the environment variable %s is not set", name)
}

func validVariable(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
