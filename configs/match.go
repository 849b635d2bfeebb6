package configs

// What connections are told apart by: addresses of clients (CIDRs, also from a file) and the SNI and ALPN of a ClientHello.

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
)

var (
	prefix  = kind[netip.Prefix]{name: "a CIDR or IP address", parse: func(s scalar) (netip.Prefix, error) { return parsePrefix(s.text) }}
	sniName = kind[string]{name: "a host name", limits: `a name, "*.suffix", "*" or ""`, parse: parseSNI}
	alpn    = kind[string]{name: "an ALPN protocol", limits: "1 to 255 bytes", parse: parseALPN}
	logPath = kind[string]{name: "stdout, stderr, off or a file", parse: parseLogTarget}
)

// parsePrefix reads "10.0.0.0/8" or a single address. IPv4-mapped prefixes become IPv4 ones: clients are unmapped everywhere.
func parsePrefix(text string) (netip.Prefix, error) {
	const hint = "write 10.0.0.0/8, 2001:db8::/32 or a single address"
	p, err := netip.ParsePrefix(text)
	if err != nil {
		ip, err := netip.ParseAddr(text)
		if err != nil || ip.Zone() != "" {
			return netip.Prefix{}, bad(hint, "%q is not a CIDR or an IP address", text)
		}
		p = netip.PrefixFrom(ip, ip.BitLen())
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p.Masked() != p {
		return netip.Prefix{}, bad(fmt.Sprintf("write %s, or %s for this one address", p.Masked(), p.Addr()),
			"%q has bits set after its prefix", text)
	}
	return p, nil
}

// parseSNI reads a pattern for the server name of a hello. Host names travel in it without a final dot and never as an
// IP address (RFC 6066, section 3), so patterns of that form could never match.
func parseSNI(s scalar) (string, error) {
	const hint = `write a host name, "*.suffix", "*" for any TLS hello, or "" for a hello without a name`
	pattern := strings.ToLower(s.text)
	if pattern == "" || pattern == "*" {
		return pattern, nil
	}
	host := strings.TrimPrefix(pattern, "*.")
	switch {
	case strings.Contains(host, "*"):
		return "", bad(hint, "%q is not a pattern: '*' stands only for the labels before a suffix", s.text)
	case strings.HasSuffix(host, "."):
		return "", bad("write "+strings.TrimRight(pattern, "."), "%q never matches: names in a hello have no final dot", s.text)
	case looksLikeIP(host):
		return "", bad(`clients that connect by address send no name: match them with ""`, "%q never matches: a hello never names an IP address", s.text)
	}
	if why := badHostName(host); why != "" {
		return "", bad(hint, "%q is not a host name: %s", s.text, why)
	}
	return pattern, nil
}

// parseALPN checks a protocol name (RFC 7301, section 3.1).
func parseALPN(s scalar) (string, error) {
	if len(s.text) == 0 || len(s.text) > 255 {
		return "", bad("as in h2 or http/1.1", "an ALPN protocol has 1 to 255 bytes, this one has %d", len(s.text))
	}
	return s.text, nil
}

// parseLogTarget reads a word or a path. Paths keep a slash, so that a file named off cannot be mistaken for the word.
func parseLogTarget(s scalar) (string, error) {
	words := []string{"stdout", "stderr", "off"}
	for _, w := range words {
		if s.text == w {
			return w, nil
		}
	}
	if s.text == "" || strings.ContainsRune(s.text, 0) {
		return "", bad("write stdout, stderr, off or the path of a file", "%q is not a path", s.text)
	}
	if near, ok := nearest(s.text, words); ok && !strings.Contains(s.text, "/") {
		return "", bad("write "+near+", or ./"+s.text+" for a file of that name", "%q is almost %s", s.text, near)
	}
	path := joinPath(s.dir, s.text)
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
		return nil, nil, bad("relative paths start at the folder of the configuration file", "%s: %s", path, plainError(err))
	}
	if !info.Mode().IsRegular() || info.Size() > prefixFileMax {
		return nil, nil, bad(hint, "%s is not a regular file of at most %s", path, Size(prefixFileMax))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, bad("", "%s: %s", path, plainError(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, prefixFileMax))
	if err != nil {
		return nil, nil, bad("", "%s: %s", path, plainError(err))
	}
	src := newSource(path, string(text))
	for i, line := range src.lines {
		entry, _, _ := strings.Cut(line, "#")
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		p, err := parsePrefix(entry)
		if err != nil {
			column := 1 + len([]rune(line[:strings.Index(line, entry)]))
			issues = append(issues, src.issue(Position{i + 1, column}, err.Error(), hintOf(err)))
			continue
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, issues, nil
}

// hintOf returns the hint of a problem, or "".
func hintOf(err error) string {
	if p, ok := err.(problem); ok {
		return p.hint
	}
	return ""
}
