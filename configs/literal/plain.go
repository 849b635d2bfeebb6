package literal

// Names, numbers and booleans.

import (
	"strconv"
	"strings"
)

// NameMax bounds names: they appear in every log record and as metric labels.
const NameMax = 64

// Name reads what listeners, routes and upstreams are called.
func Name(s string) (string, error) {
	const hint = "letters, digits, '_', '-' and '.' are allowed, and a letter or digit comes first"
	switch {
	case s == "":
		return "", Bad(hint, "the name is empty")
	case len(s) > NameMax:
		return "", Bad("", "the name is longer than %d characters", NameMax)
	case strings.ContainsFunc(s, notInName) || strings.ContainsRune("_-.", rune(s[0])):
		return "", Bad(hint, "%q cannot be a name", s)
	}
	return s, nil
}

func notInName(r rune) bool { return !isLetterOrDigit(r) && r != '_' && r != '-' && r != '.' }

func isLetterOrDigit(r rune) bool { return 'a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' }

// Count reads a whole number.
func Count(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	switch {
	case err == nil:
		return int(n), nil
	case IsDigits(s):
		return 0, Bad("", "%s is too large", s)
	default:
		return 0, Bad("write digits only, as in 100", "%q is not a whole number", s)
	}
}

// Bool reads true or false.
func Bool(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "yes", "on", "Yes", "On", "True", "TRUE":
		return false, Bad("write true", "%q is not true or false", s)
	}
	return false, Bad("write true or false", "%q is not true or false", s)
}

// IsDigits tells whether s is not empty and has decimal digits only.
func IsDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
