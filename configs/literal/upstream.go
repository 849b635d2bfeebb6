package literal

// What is written about upstreams and about the proxy's own doors: shares, checks and what they expect, causes of retries,
// cookies, secrets and resolvers.

import (
	"errors"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Percent reads "20%".
func Percent(s string) (int, error) {
	digits, unit := strings.CutSuffix(s, "%")
	n, err := Count(digits)
	switch {
	case err != nil:
		return 0, Bad("write a whole number and the sign, as in 20%", "%q is not a percentage", s)
	case !unit:
		return 0, Bad("write "+s+"%", "%s has no unit", s)
	}
	return n, nil
}

// Share is Percent, in which the sign may be left out.
func Share(s string) (int, error) { return Percent(strings.TrimSuffix(s, "%") + "%") }

// A StatusRange is the statuses from From to To, both included.
type StatusRange struct{ From, To int }

// Statuses reads "200" or "200-399", of final statuses (RFC 9110, section 15).
func Statuses(s string) (StatusRange, error) {
	const hint = "as in 200 or 200-399"
	if class, ok := strings.CutSuffix(strings.ToLower(s), "xx"); ok && len(class) == 1 {
		return StatusRange{}, Bad("write "+class+"00-"+class+"99", "%q is not a status", s)
	}
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	from, err := Count(first)
	to, err2 := Count(last)
	switch {
	case err != nil || err2 != nil:
		return StatusRange{}, Bad(hint, "%q is not a status", s)
	case from < 200 || to > 599:
		return StatusRange{}, Bad("statuses of answers are 200 to 599", "%q is out of range", s)
	case from > to:
		return StatusRange{}, Bad("write "+last+"-"+first, "%q is empty", s)
	}
	return StatusRange{from, to}, nil
}

// Target reads the path and query that a check asks for.
func Target(s string) (string, error) {
	const targetMax = 2048
	path, query, _ := strings.Cut(s, "?")
	switch {
	case strings.Contains(path, "://"):
		return "", Bad("write the path only: host, port and tls have keys of their own", "%q is not a path", s)
	case s == "off" || s == "none" || s == "false":
		return "", Bad("remove the key: without it there is no check", "%q is not a path", s)
	case s == "http" || s == "https":
		return "", Bad("write what to ask for, as in /health", "%q is not a path", s)
	case len(s) > targetMax:
		return "", Bad("", "the path has %d bytes, and %d are allowed", len(s), targetMax)
	}
	if err := checkPath(path); err != nil {
		return "", err
	}
	for i := range len(query) {
		if !isPathByte(query[i]) && query[i] != '?' {
			return "", Bad("other characters travel percent-encoded, as in %20", "%q has a character that no query has: %q", s, runeAt(query, i))
		}
	}
	return s, nil
}

// Authority reads a Host field: a name or IP address, with or without a port.
func Authority(s string) (string, error) {
	const hint = "as in app.internal or app.internal:8080"
	if strings.ContainsFunc(s, func(r rune) bool { return !isLetterOrDigit(r) && !strings.ContainsRune("-._:[]", r) }) {
		return "", Bad(hint, "%q is not a host", s)
	}
	if why := badAuthority(s); why != "" {
		return "", Bad(hint, "%q is not a host: %s", s, why)
	}
	return s, nil
}

// ServerName reads the name that a certificate must have: a host name or an IP address.
func ServerName(s string) (string, error) {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		return ip.Unmap().String(), nil
	}
	name := strings.ToLower(s)
	if looksLikeIP(name) {
		return "", Bad("write the name without a port", "%q is not a name in a certificate", s)
	}
	if why := badHostName(name); why != "" {
		return "", Bad("as in app.internal", "%q is not a host name: %s", s, why)
	}
	return name, nil
}

// Pattern compiles a regular expression (RE2). Where it is wrong is told by the number of a character, from 1.
func Pattern(s string) (*regexp.Regexp, error) {
	const patternMax = 1024
	if s == "" || len(s) > patternMax {
		return nil, Bad("remove the key to take any body", "a regular expression has 1 to %d bytes, this one has %d", patternMax, len(s))
	}
	re, err := regexp.Compile(s)
	var wrong *syntax.Error
	if !errors.As(err, &wrong) {
		return re, err
	}
	return nil, Bad("the syntax is RE2, as in Go: https://github.com/google/re2/wiki/Syntax",
		"the regular expression has a mistake at its character %d: %s: %q", whereWrong(s, wrong), wrong.Code, wrong.Expr)
}

// whereWrong returns the number of the character at which the mistake is. The library shows a part of the text, which may come
// more than once: the first place is a guess, and mostly right. Of brackets it shows the whole, and they are looked for.
func whereWrong(s string, wrong *syntax.Error) int {
	at := max(0, strings.Index(s, wrong.Expr))
	switch wrong.Code {
	case syntax.ErrMissingParen, syntax.ErrTrailingBackslash:
		at = len(s)
	case syntax.ErrUnexpectedParen:
		for at = range len(s) {
			var early *syntax.Error
			if _, err := syntax.Parse(s[:at+1], syntax.Perl); s[at] == ')' && errors.As(err, &early) && early.Code == wrong.Code {
				break
			}
		}
	}
	return 1 + utf8.RuneCountInString(s[:at])
}

// RetryCauses are the words that RetryCause reads, beside statuses.
var RetryCauses = []string{"connect", "reset", "timeout", "marked_down"}

// retryStatuses below 500 that say: later, perhaps (RFC 9110, section 15.5.9; RFC 8470; RFC 6585).
var retryStatuses = []int{408, 425, 429}

// foreignCauses are what other proxies call them.
var foreignCauses = map[string]string{"error": "connect and reset", "conn-failure": "connect", "empty-response": "reset", "response-timeout": "timeout",
	"junk-response": "502", "invalid_header": "502", "5xx": "500, 502, 503 and 504", "all-retryable-errors": "connect, reset and timeout"}

// RetryCause reads after what a request is sent once more: a word, or a status.
func RetryCause(s string) (string, error) {
	if slices.Contains(RetryCauses, s) {
		return s, nil
	}
	status := strings.TrimPrefix(s, "http_") // nginx
	if n, err := Count(status); err == nil {
		switch {
		case n < 500 && !slices.Contains(retryStatuses, n), n > 599:
			return "", Bad("408, 425, 429 and 500 to 599 are allowed", "after %s, asking again would not help", status)
		case status != s:
			return "", Bad("write "+status, "%q is not a cause", s)
		}
		return s, nil
	}
	hint := DidYouMean(s, RetryCauses)
	if ours, ok := foreignCauses[s]; ok {
		hint = "write " + ours
	}
	if hint == "" {
		hint = "the causes are " + InWords(RetryCauses, "and") + `, and statuses such as "503"`
	}
	return "", Bad(hint, "%q is not a cause", s)
}

// RetryFlags parts the causes that RetryCause has read into words and statuses, which ascend and come once.
func RetryFlags(causes []string) (words map[string]bool, statuses []int) {
	words = map[string]bool{}
	for _, cause := range SortedUnique(causes) {
		if status, err := Count(cause); err == nil {
			statuses = append(statuses, status)
		} else {
			words[cause] = true
		}
	}
	return words, statuses
}

// CookieName reads a token (RFC 6265, section 4.1.1).
func CookieName(s string) (string, error) {
	const cookieNameMax = 128
	if !isToken(s) || len(s) > cookieNameMax {
		return "", Bad("as in srv: letters, digits and a few signs, without blanks", "%q is not the name of a cookie", s)
	}
	return s, nil
}

// secretMin is where guessing becomes hopeless: 128 bits.
const secretMin = 16

// Secret reads a key. It is never part of an error. An empty one is none, as a variable may leave it.
func Secret(s string) (string, error) {
	if s != "" && len(s) < secretMin {
		return "", Bad("make one with: openssl rand -hex 32", "the secret has %d bytes, and at least %d are needed", len(s), secretMin)
	}
	return s, nil
}

// BearerToken reads a Secret that can travel in a header field (RFC 6750, section 2.1).
func BearerToken(s string) (string, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", Bad("make one with: openssl rand -hex 32", "the token has characters that do not travel in a header field: blanks, or other than ASCII")
	}
	return Secret(s)
}

// Resolver reads the address of a DNS server: "127.0.0.1:53", or an IP address alone.
func Resolver(s string) (netip.AddrPort, error) {
	const dnsPort = 53
	const hint = `as in 127.0.0.1, "127.0.0.1:53" or "[::1]:53"`
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	port := uint64(dnsPort)
	if err != nil {
		a, problem := hostPort(s, hint)
		if problem != nil {
			return netip.AddrPort{}, Bad(hint, "%q is not the address of a DNS server", s)
		}
		port = uint64(a.Port)
		ip, err = netip.ParseAddr(a.Host)
	}
	switch {
	case err != nil:
		return netip.AddrPort{}, Bad("names are what a resolver is asked for: "+hint, "%q is not an IP address", s)
	case ip.Zone() != "" || ip.IsUnspecified():
		return netip.AddrPort{}, Bad(hint, "%s cannot be asked", strconv.Quote(s))
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(port)), nil
}
