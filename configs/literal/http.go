package literal

// What requests are told apart by, and what their heads are changed to: hosts, paths, methods, tokens and header fields. What a
// request could never have is a mistake, not a pattern that never matches.

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Host reads a pattern for the host of a request. Ports are not part of it: a listener has few, and all are its own.
func Host(s string) (string, error) {
	const hint = `write a host name, "*.suffix" or an IP address, without a port`
	pattern := strings.ToLower(s)
	host := strings.TrimPrefix(pattern, "*.")
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")); err == nil && host == pattern {
		return hostOfIP(s, ip)
	}
	switch {
	case pattern == "*":
		return "", Bad("remove hosts: a route without it takes every host", `"*" is not a pattern for hosts`)
	case strings.Contains(host, "*"):
		return "", Bad(hint, "%q is not a pattern: '*' stands only for the labels before a suffix", s)
	case strings.Contains(host, "://"), strings.Contains(host, "/"):
		return "", Bad(hint+"; paths go under paths", "%q is not a host", s)
	case strings.Contains(host, ":"):
		return "", Bad(hint, "%q is not a host: it has a port", s)
	case strings.HasSuffix(host, "."):
		return "", Bad("write "+strings.TrimRight(pattern, "."), "%q has a final dot, which is left out of hosts before they are compared", s)
	case looksLikeIP(host):
		return "", Bad(hint, "%q is not an IP address", s)
	}
	if why := badHostName(host); why != "" {
		return "", Bad(hint, "%q is not a host name: %s", s, why)
	}
	return pattern, nil
}

// hostOfIP returns an address as a Host field has it (RFC 3986, section 3.2.2), in its canonical form.
func hostOfIP(text string, ip netip.Addr) (string, error) {
	if ip.Zone() != "" {
		return "", Bad("", "%q has a zone, which is not supported", text)
	}
	if ip.Is4() {
		return ip.String(), nil
	}
	return "[" + ip.String() + "]", nil
}

// PathPattern reads an exact path, or a prefix that ends in '*'.
func PathPattern(s string) (string, error) {
	path, prefix := strings.CutSuffix(s, "*")
	switch {
	case strings.Contains(path, "*"):
		return "", Bad(`as in "/v1/*", which takes every path that begins with /v1/`, "%q is not a pattern: '*' stands only at the end", s)
	case prefix && path == "":
		return "", Bad(`write "/*", or remove paths: a route without it takes every path`, `"*" is not a pattern for paths`)
	case prefix && strings.HasSuffix(path, "."):
		path += "x" // "/.*" is names that begin with a dot, not a segment of dots
	}
	return s, checkPath(path)
}

// checkPath reports what the path of a request could never be (RFC 3986, section 3.3).
func checkPath(path string) error {
	switch {
	case !strings.HasPrefix(path, "/"):
		return Bad("write /"+strings.TrimLeft(path, "/"), "%q does not begin with a slash", path)
	case strings.ContainsAny(path, "?#"):
		return Bad("a path ends before the first ? or #", "%q is more than a path", path)
	}
	for i := range len(path) {
		if !isPathByte(path[i]) {
			return Bad("other characters travel percent-encoded, as in %20", "%q has a character that no path has: %q", path, runeAt(path, i))
		}
		if path[i] == '%' && (i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2])) {
			return Bad("write %25 for the character itself", "%q has a %% without two hexadecimal digits", path)
		}
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return Bad("", "%q has the segment %q, which stands for another path", path, segment)
		}
	}
	return nil
}

func runeAt(s string, i int) rune {
	for _, r := range s[i:] {
		return r
	}
	return 0
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

// isPathByte tells whether c may stand in a path, '%' included.
func isPathByte(c byte) bool {
	return isLetterOrDigit(rune(c)) || strings.IndexByte("/-._~!$&'()*+,;=:@%", c) >= 0
}

// StripPrefix reads a prefix of whole segments. A slash at its end says nothing more.
func StripPrefix(s string) (string, error) {
	if strings.Contains(s, "*") {
		return "", Bad("write /"+strings.Trim(s, "/*"), "%q is not the beginning of a path: it needs no '*'", s)
	}
	if err := checkPath(s); err != nil {
		return "", err
	}
	prefix := strings.TrimRight(s, "/")
	if prefix == "" {
		return "", Bad("remove the key", "%q strips nothing", s)
	}
	return prefix, nil
}

// knownMethods are those of RFC 9110 and its extensions that people write in lower case by mistake.
var knownMethods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT",
	"PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "PURGE"}

// Method reads a method (RFC 9110, section 9.1).
func Method(s string) (string, error) {
	upper := strings.ToUpper(s)
	switch {
	case s == "*":
		return "", Bad("remove methods: a route without it takes every method", `"*" is not a method`)
	case !isToken(s):
		return "", Bad("as in GET or POST", "%q is not a method", s)
	case upper != s && slices.Contains(knownMethods, upper):
		return "", Bad("write "+upper, "%q is not a method: they are case-sensitive", s)
	}
	return s, nil
}

// Upgrade reads a protocol of the Upgrade field (RFC 9110, section 7.8).
func Upgrade(s string) (string, error) {
	token := strings.ToLower(s)
	switch {
	case token == "h2c":
		return "", Bad("clients may speak HTTP/2 to their servers on a tcp listener", "h2c cannot be passed on: it would hide requests from the proxy")
	case token == "*":
		return "", Bad("name each protocol, as in [websocket]", `"*" is not a protocol`)
	case !isToken(token):
		return "", Bad("as in websocket", "%q is not the name of a protocol", s)
	}
	return token, nil
}

// isToken tells whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		if !isLetterOrDigit(rune(s[i])) && strings.IndexByte("!#$%&'*+-.^_`|~", s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

// Limits on one field; how many there may be is left to the limits of the file.
const (
	fieldNameMax  = 128
	fieldValueMax = 8 << 10
)

// ownFields are the proxy's business: framing and what is for one hop only (RFC 9110, section 7.6.1).
var ownFields = []string{"content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "proxy-connection"}

// Field reads the name of a field of an answer.
func Field(s string) (string, error) {
	switch {
	case len(s) > fieldNameMax:
		return "", Bad("", "the name of a header field is longer than %d characters", fieldNameMax)
	case !isToken(s):
		return "", Bad("as in X-Request-Id: letters, digits and - without blanks", "%q is not the name of a header field", s)
	case slices.Contains(ownFields, strings.ToLower(s)):
		return "", Bad("fields about framing and about one connection are written by the proxy itself", "%s cannot be changed", s)
	}
	return s, nil
}

// RequestField reads the name of a field of a request, of which Host is not one to edit.
func RequestField(s string) (string, error) {
	if strings.EqualFold(s, "Host") {
		return "", Bad("write rewrite: {host: ...}", "%s cannot be changed here", s)
	}
	return Field(s)
}

// FieldValue checks the value of a field (RFC 9110, section 5.5).
func FieldValue(s string) (string, error) {
	if _, err := parseTemplate(s, placeholders); err != nil {
		return "", err
	}
	return PlainValue(s)
}

// PlainValue checks the value of a field in which braces are just braces.
func PlainValue(s string) (string, error) {
	switch i := strings.IndexFunc(s, isControl); {
	case i >= 0:
		return "", Bad("a field has one line of text", "the value has the control character %q", runeAt(s, i))
	case len(s) > fieldValueMax:
		return "", Bad("", "the value has %d bytes, and %s are allowed", len(s), Size(fieldValueMax))
	case strings.Trim(s, " \t") != s:
		return "", Bad("remove it: it would not arrive", "the value %q begins or ends with a blank", s)
	}
	return s, nil
}

// isControl tells what no field may have: everything below a blank but a tab, and DEL (RFC 9110, section 5.5).
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// Body checks the placeholders of a body.
func Body(s string) (string, error) {
	_, err := parseTemplate(s, placeholders)
	return s, err
}

// NewHost checks a Host field for servers. Only {host} may be in it: the others can hold what no host has.
func NewHost(s string) (string, error) {
	const hint = "as in app.internal or app.internal:8080"
	parts, err := parseTemplate(s, []string{"host"})
	if err != nil {
		return "", err
	}
	if len(parts) == 0 {
		return "", Bad(hint, "the host is empty")
	}
	for _, p := range parts {
		if strings.ContainsFunc(p.Text, func(r rune) bool { return !isLetterOrDigit(r) && !strings.ContainsRune("-._:[]", r) }) {
			return "", Bad(hint, "%q is not a host", s)
		}
	}
	if len(parts) == 1 && parts[0].Name == "" {
		if why := badAuthority(s); why != "" {
			return "", Bad(hint, "%q is not a host: %s", s, why)
		}
	}
	return s, nil
}

// badAuthority says what is wrong with a host with or without a port, or "".
func badAuthority(text string) string {
	host := text
	if a, err := hostPort(text, ""); err == nil {
		host = a.Host
	} else if strings.HasPrefix(text, "[") {
		host = strings.Trim(text, "[]")
	}
	if looksLikeIP(host) {
		if _, err := parseIP(host, ""); err != nil {
			return err.Error()
		}
		return ""
	}
	return badHostName(strings.ToLower(host))
}

// Location checks where a redirect leads. Its beginning must be the configuration's: were it the client's, a link to this
// proxy could lead anywhere.
func Location(s string) (string, error) {
	const hint = "as in https://new.example.com{uri} or /new/path"
	parts, err := parseTemplate(s, placeholders)
	if err != nil {
		return "", err
	}
	for _, p := range parts {
		if i := strings.IndexFunc(p.Text, func(r rune) bool {
			return r > 0x7f || !isPathByte(byte(r)) && r != '?' && r != '#' && r != '[' && r != ']'
		}); i >= 0 {
			return "", Bad("other characters travel percent-encoded, as in %20", "%q has a character that no URI has: %q", s, runeAt(p.Text, i))
		}
	}
	rest, absolute := cutScheme(s)
	switch {
	case !absolute && !strings.HasPrefix(s, "/"):
		return "", Bad(hint, "%q begins neither with http://, https:// or {scheme}:// nor with a slash", s)
	case !absolute && (strings.HasPrefix(s, "//") || parts[0].Text == "/" && len(parts) > 1):
		return "", Bad("write the host, as in https://{host}{uri}", "%q could lead to another host: a location that begins with // names one", s)
	case absolute:
		return s, checkTarget(s, rest)
	}
	return s, nil
}

// cutScheme returns what follows the scheme of an absolute URI.
func cutScheme(text string) (rest string, absolute bool) {
	for _, scheme := range []string{"http://", "https://", "{scheme}://"} {
		if rest, ok := strings.CutPrefix(text, scheme); ok {
			return rest, true
		}
	}
	return text, false
}

// checkTarget looks at the host of an absolute location: what follows a scheme up to the first slash, or what begins with one.
func checkTarget(whole, rest string) error {
	for i, p := range Template(rest) {
		switch {
		case p.Name == "path" || p.Name == "uri" || p.Text != "" && strings.ContainsAny(p.Text, "/?#"):
			if i == 0 && (p.Text == "" || strings.ContainsAny(p.Text[:1], "/?#")) {
				return Bad("as in https://new.example.com{uri}", "%q has no host", whole)
			}
			return nil
		case p.Name == "query" || p.Name == "client_ip" || p.Name == "scheme":
			return Bad("write a slash or {uri} behind the host", "%q could lead to any host: {%s} is part of the host", whole, p.Name)
		}
	}
	if rest == "" {
		return Bad("as in https://new.example.com{uri}", "%q has no host", whole)
	}
	return nil
}

// HashKeys are the words that HashKey reads.
var HashKeys = []string{"client_ip", "sni", "path", "uri", "host", "header:NAME", "cookie:NAME"}

// HashKey reads what to hash. The part behind the colon is a token for headers and cookies alike (RFC 6265, section 4.1.1).
func HashKey(s string) (string, error) {
	word, name, named := strings.Cut(s, ":")
	switch {
	case named && (word == "header" || word == "cookie"):
		if !isToken(name) {
			return "", Bad(fmt.Sprintf("as in %s:session", word), "%q is not the name of a %s", name, word)
		}
		return s, nil
	case !named && slices.Contains(HashKeys[:5], word):
		return s, nil
	case word == "header" || word == "cookie":
		return "", Bad(fmt.Sprintf("write %s:NAME, as in %s:session", word, word), "%q lacks the name of the %s", s, word)
	}
	return "", Bad(DidYouMean(s, HashKeys), "%q is not %s", s, InWords(HashKeys, "or"))
}
