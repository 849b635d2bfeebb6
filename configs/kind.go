package configs

// The kinds of values that rows have. What they all are is in literal/kind.go.

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"time"

	"sluice/configs/literal"
)

// A kind is one way to write a value.
type kind[T any] = literal.Kind[T]

// placed returns k with the position kept beside the value.
func placed[T any](k kind[T]) kind[Value[T]] {
	return kind[Value[T]]{Name: k.Name, Choices: k.Choices, Limits: k.Limits, Parse: func(text, dir string) (v Value[T], err error) {
		v.V, err = k.Parse(text, dir)
		return v, err // parse knows the position
	}}
}

var (
	count    = kind[int]{Name: "a number", Parse: literal.Plain(literal.Count), Compare: cmp.Compare[int]}
	duration = kind[time.Duration]{Name: "a duration", Parse: literal.Plain(literal.Duration), Compare: cmp.Compare[time.Duration]}
	rate     = kind[int64]{Name: "a rate", Parse: literal.Plain(literal.Rate), Compare: cmp.Compare[int64]}
	size     = kind[Size]{Name: "a size", Parse: literal.Plain(literal.ParseSize), Compare: cmp.Compare[Size]}
	percent  = kind[int]{Name: "a percentage", Parse: literal.Plain(literal.Percent), Compare: cmp.Compare[int]}
	share    = kind[int]{Name: "a percentage", Parse: literal.Plain(literal.Share), Compare: cmp.Compare[int]}
	boolean  = kind[bool]{Name: "true or false", Choices: []string{"true", "false"}, Parse: literal.Plain(literal.Bool)}
)

var (
	proxyMode   = literal.Hinted(literal.Numbered[ProxyMode](proxyModes), "did you mean accept or require?", "on", "true", "yes", "v1", "v2")
	proxyHeader = literal.Hinted(literal.Choice("off", "v1", "v2"), "did you mean v1 or v2?", "on", "true", "yes", "accept", "require", "1", "2")
	logPath     = kind[string]{Name: "stdout, stderr, off or a file", Parse: literal.LogTarget}
	logFormat   = literal.Hinted(literal.Choice("json"), "this version writes format: json only", "common", "combined", "text", "plain", "logfmt", "clf")
)

// protocol is what is spoken on a listener.
var protocol = kind[string]{Name: "a protocol", Choices: []string{"http", "tcp"}, Parse: literal.Plain(literal.Protocol)}

// serverProtocol is what is spoken to servers.
var serverProtocol = literal.Hinted(literal.Choice("http1"), "this version speaks http1 to servers", "h2", "auto", "http", "http2", "h2c", "https")

// redirectStatus sends a client elsewhere.
var redirectStatus = kind[int]{Name: "a status", Choices: literal.RedirectStatuses, Parse: literal.Plain(literal.RedirectStatus)}

// The kinds of names and addresses, and of what connections and requests are told apart by.
var (
	name          = kind[string]{Name: "a name", Limits: fmt.Sprintf("at most %d characters", literal.NameMax), Parse: literal.Plain(literal.Name)}
	bindAddress   = kind[Address]{Name: "an address", Limits: `":8080", "127.0.0.1:8080", "[::1]:8080", "unix:/path"`, Parse: literal.Bind}
	serverAddress = kind[Address]{Name: "an address", Limits: `"10.0.0.1:8080", "[::1]:8080", "name:8080", "unix:/path", "dns://name:8080", "srv://_http._tcp.name", "file:path"`, Parse: literal.Server}
	fixedAddress  = kind[Address]{Name: "an address", Parse: literal.FixedServer}
	resolver      = kind[netip.AddrPort]{Name: "the address of a DNS server", Limits: `as in 127.0.0.1 or "[::1]:53"`, Parse: literal.Plain(literal.Resolver)}
	prefix        = kind[netip.Prefix]{Name: "a CIDR or IP address", Parse: literal.Plain(literal.Prefix)}
	sniName       = kind[string]{Name: "a host name", Limits: `a name, "*.suffix", "*" or ""`, Parse: literal.Plain(literal.SNI)}
	alpn          = kind[string]{Name: "an ALPN protocol", Limits: "1 to 255 bytes", Parse: literal.Plain(literal.ALPN)}
	hostName      = kind[string]{Name: "a host", Limits: `a name, "*.suffix" or an IP address`, Parse: literal.Plain(literal.Host)}
	pathMatch     = kind[string]{Name: "a path", Limits: `"/exact" or "/prefix*"`, Parse: literal.Plain(literal.PathPattern)}
	method        = kind[string]{Name: "a method", Limits: "as in GET", Parse: literal.Plain(literal.Method)}
	hashKey       = kind[string]{Name: "what to hash", Choices: literal.HashKeys, Parse: literal.Plain(literal.HashKey)}
)

// The kinds of what requests and answers are changed to.
var (
	upgradable    = kind[string]{Name: "the name of a protocol", Limits: "as in websocket", Parse: literal.Plain(literal.Upgrade)}
	pathPrefix    = kind[string]{Name: "the beginning of a path", Limits: "as in /v1", Parse: literal.Plain(literal.StripPrefix)}
	newHost       = kind[string]{Name: "a host", Limits: "with or without a port; it may hold {host}", Parse: literal.Plain(literal.NewHost)}
	location      = kind[string]{Name: "a path or URI", Limits: "as in https://new.example.com{uri}", Parse: literal.Plain(literal.Location)}
	requestField  = kind[string]{Name: "the name of a header field", Parse: literal.Plain(literal.RequestField)}
	responseField = kind[string]{Name: "the name of a header field", Parse: literal.Plain(literal.Field)}
	fieldValue    = kind[string]{Name: "a text", Parse: literal.Plain(literal.FieldValue)}
	body          = kind[string]{Name: "a text", Parse: literal.Plain(literal.Body)}
)

// The kinds of what checks, retries and sessions need.
var (
	checkTarget     = kind[string]{Name: "a path", Limits: "as in /health", Parse: literal.Plain(literal.Target)}
	checkHost       = kind[string]{Name: "a host", Limits: "with or without a port", Parse: literal.Plain(literal.Authority)}
	checkField      = literal.Hinted(requestField, "write host: ... beside headers", "Host", "host", "HOST")
	plainValue      = kind[string]{Name: "a text", Parse: literal.Plain(literal.PlainValue)}
	statuses        = kind[StatusRange]{Name: "a status or a range of them", Limits: "200 to 599", Parse: literal.Plain(literal.Statuses)}
	pattern         = kind[*regexp.Regexp]{Name: "a regular expression", Parse: literal.Plain(literal.Pattern)}
	port            = kind[uint16]{Name: "a port", Limits: "1 to 65535", Parse: literal.Plain(literal.Port)}
	certificateName = kind[string]{Name: "a host name or IP address", Parse: literal.Plain(literal.ServerName)}
	filePath        = kind[string]{Name: "the path of a file", Parse: literal.FilePath}
	keyLog          = kind[string]{Name: "the path of a file", Parse: literal.FilePathOrNone}
	retryCause      = kind[string]{Name: "a cause", Choices: literal.RetryCauses, Limits: "or a status: `408`, `425`, `429`, `500` to `599`", Parse: literal.Plain(literal.RetryCause)}
	cookieName      = kind[string]{Name: "the name of a cookie", Parse: literal.Plain(literal.CookieName)}
	secret          = kind[string]{Name: "a secret", Limits: "at least 16 bytes", Parse: literal.Plain(literal.Secret)}
	bearerToken     = kind[string]{Name: "a secret", Limits: "at least 16 visible ASCII characters", Parse: literal.Plain(literal.BearerToken)}
)
