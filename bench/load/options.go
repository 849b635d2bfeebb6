package load

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"sluice/bench/wire"
)

// What a run does has three independent parts: the protocol (what is said), the
// mode (when it is said again) and TLS (what carries it). The zero value of all
// but the first fields is the plain case: HTTP/1.1, one request at a time.

// Protocol is what the generator speaks.
type Protocol string

const (
	// HTTP is HTTP/1.1; the empty value means it too.
	HTTP Protocol = "http"
	// HTTPS is HTTP/1.1 over TLS: HTTP with a TLS of its own, if none is given.
	HTTPS Protocol = "https"
	// TCP sends messages that come back as they are, or streams (Options.Stream).
	TCP Protocol = "tcp"
	// WebSocket sends masked binary messages that come back (RFC 6455), after an
	// upgrade from HTTP/1.1.
	WebSocket Protocol = "ws"
)

// Mode is what happens to a connection after an answer.
type Mode string

const (
	// Keep sends the next request on the same connection.
	Keep Mode = "keep"
	// Churn closes the connection, the client first, and opens another.
	Churn Mode = "churn"
	// Hold keeps all connections open and idle after one answer each.
	Hold Mode = "hold"
	// Open sends requests when they are due, each over a connection that is free.
	Open Mode = "open"
)

// Arrivals is how the requests of the mode Open are spread in time.
type Arrivals string

const (
	// Poisson arrivals have exponentially distributed gaps, as requests of people
	// who know nothing of each other; the empty value means it too.
	Poisson Arrivals = "poisson"
	// Constant arrivals come at even distances.
	Constant Arrivals = "constant"
)

// Stream is a direction in which bytes of the pattern flow without end.
type Stream string

const (
	// Down streams from the origin to the generator.
	Down Stream = "down"
	// Up streams from the generator to the origin, which checks what arrives.
	Up Stream = "up"
)

// Expect is what an answer of HTTP must be.
type Expect string

const (
	// Pattern is an answer of the stub origin: exactly Size bytes of the known
	// pattern. The empty value means it too.
	Pattern Expect = "pattern"
	// Any is whatever is framed correctly and has an accepted status: for origins
	// that are not the stub.
	Any Expect = "any"
)

// TLS is how connections are secured. X25519 is offered for the key exchange, and no
// hybrid with it unless that is asked for, so that every proxy does the same work.
// P-256 stands behind it for the sake of TLS 1.2, which has one list for keys and
// certificates.
type TLS struct {
	// CA is a PEM file with the certificates to trust; without one, anything is.
	CA string `json:"ca,omitempty"`
	// ServerName is the name asked for and checked; empty = the target's address.
	ServerName string `json:"server_name,omitempty"`
	// Resume keeps tickets and resumes sessions with them.
	Resume bool `json:"resume,omitempty"`
	// MinVersion and MaxVersion are "1.2" or "1.3"; empty = the library's choice.
	MinVersion string `json:"min_version,omitempty"`
	MaxVersion string `json:"max_version,omitempty"`
	// Hybrid prefers X25519MLKEM768, which not all proxies know.
	Hybrid bool `json:"hybrid,omitempty"`
}

// Options describe one run. Durations are nanoseconds in JSON.
type Options struct {
	Target   string   `json:"target"` // IPv4 address and port
	Mode     Mode     `json:"mode"`
	Protocol Protocol `json:"protocol,omitempty"`
	// TLS secures the connections of any protocol; nil = plain, but for HTTPS.
	TLS *TLS `json:"tls,omitempty"`
	// Connections are open at a time; for the mode Hold, in all.
	Connections int `json:"connections"`
	// Pipeline is how many requests or messages may be under way on one connection
	// in the mode Keep; 0 = one.
	Pipeline int `json:"pipeline,omitempty"`

	// Size is the body each request of HTTP asks for, in bytes. It is also the unit
	// in which a stream is counted.
	Size int `json:"size"`
	// Post is the body each request sends, in bytes; 0 = GET, without one.
	Post int `json:"post,omitempty"`
	// Message is how long each message of TCP or WebSocket is, in bytes.
	Message int `json:"message,omitempty"`
	// Stream makes a TCP connection one stream instead of messages; mode Keep only.
	Stream Stream `json:"stream,omitempty"`

	// Host is the Host field of requests; empty = "bench".
	Host string `json:"host,omitempty"`
	// Path is what the request's target begins with: "/api" asks for "/api/60". With
	// Any it is the whole path, "/" if empty; with WebSocket too, "/ws" if empty.
	Path string `json:"path,omitempty"`
	// Query is appended to the target behind a question mark: "delay=5ms" is
	// understood by the stub origin (see wire.Ask).
	Query string `json:"query,omitempty"`
	// Expect is what an answer must be.
	Expect Expect `json:"expect,omitempty"`
	// Accept are the statuses that count as answers. Others are errors of the kind
	// "status", but do not end the connection. Empty = 200; with Any, all below 500.
	Accept []int `json:"accept,omitempty"`

	// Rate is how many requests per second are due in the mode Open, on average.
	Rate float64 `json:"rate,omitempty"`
	// Arrivals is how they are spread.
	Arrivals Arrivals `json:"arrivals,omitempty"`

	// Sources is over how many loopback source addresses to spread; 0 = one.
	Sources int `json:"sources,omitempty"`
	// Warm precedes the window or is the rest before it (Hold).
	Warm time.Duration `json:"warm"`
	// Window is how long to count.
	Window time.Duration `json:"window"`
	// Watch are the proxy's processes, Origin the stub's.
	Watch  []int `json:"watch,omitempty"`
	Origin []int `json:"origin,omitempty"`
	// Syscalls counts the system calls of the watched processes in the window with
	// strace, which slows them many times over: a run for nothing but that number.
	Syscalls bool `json:"syscalls,omitempty"`
}

const (
	// maxPipeline bounds the requests under way on one connection, maxBatch the
	// bytes of them that are prepared in memory.
	maxPipeline = 4096
	maxBatch    = 64 << 20
	// maxMessage bounds a message: all of it may be in the sockets of a connection.
	maxMessage = 16 << 20
)

// validate refuses what makes no sense and fills in what follows from the rest.
func (o *Options) validate() error {
	if o.Protocol == "" {
		o.Protocol = HTTP
	}
	if o.Protocol == HTTPS && o.TLS == nil {
		o.TLS = &TLS{}
	}
	if o.Pipeline == 0 {
		o.Pipeline = 1
	}
	return errors.Join(o.validateWords(), o.validateWork(), o.validateMode())
}

// validateWords checks that every word is known.
func (o *Options) validateWords() error {
	return errors.Join(
		oneOf("mode", o.Mode, Keep, Churn, Hold, Open),
		oneOf("protocol", o.Protocol, HTTP, HTTPS, TCP, WebSocket),
		oneOf("arrivals", o.Arrivals, "", Poisson, Constant),
		oneOf("stream", o.Stream, "", Down, Up),
		oneOf("expect", o.Expect, "", Pattern, Any),
	)
}

func oneOf[T ~string](what string, got T, known ...T) error {
	if slices.Contains(known, got) {
		return nil
	}
	return fmt.Errorf("%s %q is none of %q", what, got, known)
}

// validateWork checks what is sent and asked for.
func (o *Options) validateWork() error {
	sized := o.http() && o.Expect != Any || o.Stream != ""
	switch {
	case sized && (o.Size <= 0 || o.Size > wire.MaxBody):
		return fmt.Errorf("a size of %d bytes is not from 1 to %d", o.Size, wire.MaxBody)
	case o.Post < 0 || o.Post > wire.MaxBody:
		return fmt.Errorf("a body of %d bytes is not from 0 to %d", o.Post, wire.MaxBody)
	case !o.http() && o.Stream == "" && (o.Message <= 0 || o.Message > maxMessage):
		return fmt.Errorf("a message of %d bytes is not from 1 to %d", o.Message, maxMessage)
	case o.Stream != "" && (o.Protocol != TCP || o.Mode != Keep):
		return fmt.Errorf("a stream is for the protocol tcp and the mode keep, not %s and %s", o.Protocol, o.Mode)
	}
	return nil
}

// validateMode checks when and how often it is sent.
func (o *Options) validateMode() error {
	switch {
	case o.Connections <= 0:
		return fmt.Errorf("%d connections", o.Connections)
	case (o.Mode == Open) != (o.Rate > 0):
		return fmt.Errorf("%v requests per second in the mode %s", o.Rate, o.Mode)
	case o.Pipeline < 1 || o.Pipeline > maxPipeline:
		return fmt.Errorf("a pipeline of %d is not from 1 to %d", o.Pipeline, maxPipeline)
	case o.Pipeline > 1 && (o.Mode != Keep || o.Stream != ""):
		return fmt.Errorf("a pipeline of %d is for messages in the mode keep", o.Pipeline)
	case o.Pipeline*max(o.Post, o.Message) > maxBatch:
		return fmt.Errorf("a pipeline of %d takes more than %d bytes", o.Pipeline, maxBatch)
	}
	return nil
}

// http reports whether requests are those of HTTP.
func (o *Options) http() bool { return o.Protocol == HTTP || o.Protocol == HTTPS }
