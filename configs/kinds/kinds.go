// Package kinds is the ways in which values are written: each with its name for messages, its limits in words, and how it is
// read. What they all are is in room literal, and so is the reading.
package kinds

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"time"

	"sluice/configs/literal"
)

type kind[T any] = literal.Kind[T]

// The kinds of plain numbers and times.
var (
	Count    = kind[int]{Name: "a number", Parse: literal.Plain(literal.Count), Compare: cmp.Compare[int]}
	Duration = kind[time.Duration]{Name: "a duration", Parse: literal.Plain(literal.Duration), Compare: cmp.Compare[time.Duration]}
	Rate     = kind[int64]{Name: "a rate", Parse: literal.Plain(literal.Rate), Compare: cmp.Compare[int64]}
	Size     = kind[literal.Size]{Name: "a size", Parse: literal.Plain(literal.ParseSize), Compare: cmp.Compare[literal.Size]}
	Percent  = kind[int]{Name: "a percentage", Parse: literal.Plain(literal.Percent), Compare: cmp.Compare[int]}
	Share    = kind[int]{Name: "a percentage", Parse: literal.Plain(literal.Share), Compare: cmp.Compare[int]}
	Boolean  = kind[bool]{Name: "true or false", Choices: []string{"true", "false"}, Parse: literal.Plain(literal.Bool)}
)

// The kinds of words with a meaning of their own.
var (
	ProxyHeader = literal.Hinted(literal.Choice("off", "v1", "v2"), "did you mean v1 or v2?", "on", "true", "yes", "accept", "require", "1", "2")
	LogPath     = kind[string]{Name: "stdout, stderr, off or a file", Parse: literal.LogTarget}
	LogFormat   = literal.Hinted(literal.Choice("json"), "this version writes format: json only", "common", "combined", "text", "plain", "logfmt", "clf")
)

// Protocol is what is spoken on a listener.
var Protocol = kind[string]{Name: "a protocol", Choices: []string{"http", "tcp"}, Parse: literal.Plain(literal.Protocol)}

// ServerProtocol is what is spoken to servers.
var ServerProtocol = literal.Hinted(literal.Choice("http1"), "this version speaks http1 to servers", "h2", "auto", "http", "http2", "h2c", "https")

// RedirectStatus sends a client elsewhere.
var RedirectStatus = kind[int]{Name: "a status", Choices: literal.RedirectStatuses, Parse: literal.Plain(literal.RedirectStatus)}

// The kinds of names and addresses, and of what connections and requests are told apart by.
var (
	Name          = kind[string]{Name: "a name", Limits: fmt.Sprintf("at most %d characters", literal.NameMax), Parse: literal.Plain(literal.Name)}
	BindAddress   = kind[literal.Address]{Name: "an address", Limits: `":8080", "127.0.0.1:8080", "[::1]:8080", "unix:/path"`, Parse: literal.Bind}
	ServerAddress = kind[literal.Address]{Name: "an address", Limits: `"10.0.0.1:8080", "[::1]:8080", "name:8080", "unix:/path", "dns://name:8080", "srv://_http._tcp.name", "file:path"`, Parse: literal.Server}
	FixedAddress  = kind[literal.Address]{Name: "an address", Parse: literal.FixedServer}
	Resolver      = kind[netip.AddrPort]{Name: "the address of a DNS server", Limits: `as in 127.0.0.1 or "[::1]:53"`, Parse: literal.Plain(literal.Resolver)}
	Prefix        = kind[netip.Prefix]{Name: "a CIDR or IP address", Parse: literal.Plain(literal.Prefix)}
	SniName       = kind[string]{Name: "a host name", Limits: `a name, "*.suffix", "*" or ""`, Parse: literal.Plain(literal.SNI)}
	ALPN          = kind[string]{Name: "an ALPN protocol", Limits: "1 to 255 bytes", Parse: literal.Plain(literal.ALPN)}
	HostName      = kind[string]{Name: "a host", Limits: `a name, "*.suffix" or an IP address`, Parse: literal.Plain(literal.Host)}
	PathMatch     = kind[string]{Name: "a path", Limits: `"/exact" or "/prefix*"`, Parse: literal.Plain(literal.PathPattern)}
	Method        = kind[string]{Name: "a method", Limits: "as in GET", Parse: literal.Plain(literal.Method)}
	HashKey       = kind[string]{Name: "what to hash", Choices: literal.HashKeys, Parse: literal.Plain(literal.HashKey)}
)

// The kinds of what requests and answers are changed to.
var (
	Upgradable    = kind[string]{Name: "the name of a protocol", Limits: "as in websocket", Parse: literal.Plain(literal.Upgrade)}
	PathPrefix    = kind[string]{Name: "the beginning of a path", Limits: "as in /v1", Parse: literal.Plain(literal.StripPrefix)}
	NewHost       = kind[string]{Name: "a host", Limits: "with or without a port; it may hold {host}", Parse: literal.Plain(literal.NewHost)}
	Location      = kind[string]{Name: "a path or URI", Limits: "as in https://new.example.com{uri}", Parse: literal.Plain(literal.Location)}
	RequestField  = kind[string]{Name: "the name of a header field", Parse: literal.Plain(literal.RequestField)}
	ResponseField = kind[string]{Name: "the name of a header field", Parse: literal.Plain(literal.Field)}
	FieldValue    = kind[string]{Name: "a text", Parse: literal.Plain(literal.FieldValue)}
	Body          = kind[string]{Name: "a text", Parse: literal.Plain(literal.Body)}
)

// The kinds of what checks, retries and sessions need.
var (
	CheckTarget     = kind[string]{Name: "a path", Limits: "as in /health", Parse: literal.Plain(literal.Target)}
	CheckHost       = kind[string]{Name: "a host", Limits: "with or without a port", Parse: literal.Plain(literal.Authority)}
	CheckField      = literal.Hinted(RequestField, "write host: ... beside headers", "Host", "host", "HOST")
	PlainValue      = kind[string]{Name: "a text", Parse: literal.Plain(literal.PlainValue)}
	Statuses        = kind[literal.StatusRange]{Name: "a status or a range of them", Limits: "200 to 599", Parse: literal.Plain(literal.Statuses)}
	Pattern         = kind[*regexp.Regexp]{Name: "a regular expression", Parse: literal.Plain(literal.Pattern)}
	Port            = kind[uint16]{Name: "a port", Limits: "1 to 65535", Parse: literal.Plain(literal.Port)}
	CertificateName = kind[string]{Name: "a host name or IP address", Parse: literal.Plain(literal.ServerName)}
	FilePath        = kind[string]{Name: "the path of a file", Parse: literal.FilePath}
	KeyLog          = kind[string]{Name: "the path of a file", Parse: literal.FilePathOrNone}
	RetryCause      = kind[string]{Name: "a cause", Choices: literal.RetryCauses, Limits: "or a status: `408`, `425`, `429`, `500` to `599`", Parse: literal.Plain(literal.RetryCause)}
	CookieName      = kind[string]{Name: "the name of a cookie", Parse: literal.Plain(literal.CookieName)}
	Secret          = kind[string]{Name: "a secret", Limits: "at least 16 bytes", Parse: literal.Plain(literal.Secret)}
	BearerToken     = kind[string]{Name: "a secret", Limits: "at least 16 visible ASCII characters", Parse: literal.Plain(literal.BearerToken)}
)
