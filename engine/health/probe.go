package health

// A probe is one question to one server, on a connection of its own: connect, say the PROXY header if there is one, make TLS of it, ask.
// The whole of it has one deadline, the context's. It leaves by closing in order, since servers log a reset as somebody's error.

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"sluice/configs"
)

// prober asks the servers of one upstream. It never changes and serves any number of checks at once.
type prober struct {
	check  *configs.Check
	intro  string                        // the PROXY header
	secure func(host string) *tls.Config // nil = plain
	dialer net.Dialer
}

// The PROXY headers of connections that are made for nobody: version 1 has no word but UNKNOWN for it, version 2 says LOCAL, the proxy's own
// business.
const (
	introV1 = "PROXY UNKNOWN\r\n"
	introV2 = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
)

// newProber prepares what all checks share.
func newProber(check *configs.Check, options Options) *prober {
	p := &prober{check: check, intro: map[string]string{"v1": introV1, "v2": introV2}[options.ProxyProtocol]}
	p.dialer.KeepAlive = -1 // none: no check lives long enough
	if check.TLS != nil {
		p.secure = options.Secure
	}
	return p
}

// probe asks one server. It returns by the context's deadline or soon after its cancellation.
func (p *prober) probe(ctx context.Context, target Target) finding {
	began := time.Now()
	conn, err := p.dialer.DialContext(ctx, target.Network, p.address(target))
	if err != nil {
		return finding{Err: p.explain(ctx, connecting, err), Took: time.Since(began)}
	}
	defer conn.Close()
	// From here on cancellation, which the deadline is a case of, shows as a deadline of the connection.
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(longAgo) })()
	stream, detail, err := p.converse(ctx, conn, target)
	found := finding{Detail: detail, Err: err, Took: time.Since(began)}
	if _, broken := errors.AsType[*fault](err); !broken {
		p.farewell(ctx, conn, stream)
	}
	return found
}

// converse does what there is to do on a connection. It returns the stream on which it was done. The error is a fault unless the server
// has answered, only not as it should.
func (p *prober) converse(ctx context.Context, conn net.Conn, target Target) (net.Conn, string, error) {
	if p.intro != "" {
		if _, err := io.WriteString(conn, p.intro); err != nil {
			return nil, "", p.explain(ctx, introducing, err)
		}
	}
	if p.secure != nil {
		secure := tls.Client(conn, p.secure(p.host(target)))
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, "", p.explain(ctx, handshaking, err)
		}
		conn = secure
	}
	if p.check.HTTP == "" {
		return conn, "connected", nil
	}
	detail, err := p.ask(ctx, conn, target)
	return conn, detail, err
}

// host is what the user calls a server: it must prove to be that.
func (p *prober) host(target Target) string {
	return hostOf(cmp.Or(p.check.Host, authority(target, 0)))
}

// address returns where to connect: the check may have a port of its own.
func (p *prober) address(target Target) string {
	if p.check.Port == 0 || target.Network == "unix" {
		return target.Address
	}
	return withPort(target.Address, p.check.Port)
}

// authority returns how a request addresses the server: as the user wrote it, or localhost behind a unix socket; port is another port
// than the server's, or 0.
func authority(target Target, port uint16) string {
	if target.Network == "unix" {
		return "localhost"
	}
	name, _, _ := strings.Cut(target.Name, " ")
	if port == 0 {
		return name
	}
	return withPort(name, port)
}

// withPort replaces the port of an address, or adds one.
func withPort(address string, port uint16) string {
	return net.JoinHostPort(hostOf(address), strconv.Itoa(int(port)))
}

// hostOf returns the host of an address with or without a port, without brackets.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return strings.Trim(address, "[]")
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// farewell ends a connection in order: the server closes first, if it does so soon. One that has answered knows that it should; the other
// is told by an end of our own. The verdict is known, so no fault counts any more.
func (p *prober) farewell(ctx context.Context, conn, stream net.Conn) {
	until := time.Now().Add(farewellMax)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(until) {
		until = deadline
	}
	conn.SetDeadline(until)
	if ctx.Err() != nil {
		return // the deadline that this set has just been overwritten
	}
	if p.check.HTTP == "" {
		if half, ok := stream.(interface{ CloseWrite() error }); ok { // TLS: close_notify
			half.CloseWrite()
		}
	}
	io.CopyN(io.Discard, stream, bodyMax)
	stream.Close()
}
