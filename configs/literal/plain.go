package literal

// Names, numbers and booleans.

import (
	"slices"
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

// NumberNames calls the i-th of names "noun-i", from 1, if it is empty. A name that is given to another one stays with that one: the
// generated one becomes "noun-i-2", or the first number that is free.
func NumberNames(noun string, names []string) []string {
	taken := map[string]bool{}
	for _, name := range names {
		taken[name] = true
	}
	named := slices.Clone(names)
	for i := range named {
		if named[i] != "" {
			continue
		}
		base := noun + "-" + strconv.Itoa(i+1)
		free := base
		for n := 2; taken[free]; n++ {
			free = base + "-" + strconv.Itoa(n)
		}
		named[i] = free
		taken[free] = true
	}
	return named
}

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

// Port reads a port that is not part of an address.
func Port(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, Bad("a port is a number from 1 to 65535", "%q is not a port", s)
	}
	return uint16(n), nil
}

// Protocol reads what is spoken on a listener, with a better answer for words that other versions know.
func Protocol(s string) (string, error) {
	const hint = "this version serves protocol: http and protocol: tcp"
	switch s {
	case "http", "tcp":
		return s, nil
	case "udp":
		return "", Bad(hint, "protocol udp is not served")
	case "https", "tls":
		return "", Bad("write protocol: http and tls: {certificates: {cert: site.pem, key: site.key}}", "%q is not a protocol", s)
	}
	return "", Bad(hint, "%q is not a protocol", s)
}

// RedirectStatuses are those that RedirectStatus reads (RFC 9110, section 15.4).
var RedirectStatuses = []string{"301", "302", "303", "307", "308"}

// RedirectStatus reads a status that sends a client elsewhere.
func RedirectStatus(s string) (int, error) {
	word, err := Choice(RedirectStatuses...).Parse(s, "")
	if err != nil {
		return 0, Bad("301 and 308 are for good, 302 and 307 for now; 307 and 308 keep the method", "%s", err)
	}
	return Count(word)
}
