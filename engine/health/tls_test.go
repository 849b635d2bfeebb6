package health

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sluice/configs"
	"sluice/internal/assert"
)

func TestTLS(t *testing.T) {
	t.Parallel()
	trusted, other := newCA(t), newCA(t)
	hour := time.Now().Add(time.Hour)
	good := trusted.config(t, hour, "app.example", "www.app.example")
	for _, c := range []struct {
		name   string
		server *tls.Config
		check  configs.CheckTLS
		host   string
		want   string
	}{
		{"by address", good, configs.CheckTLS{Verify: true, CA: trusted.file}, "", "answered 200"},
		{"by name", good, configs.CheckTLS{Verify: true, CA: trusted.file, ServerName: "app.example"}, "", "answered 200"},
		{"by host", good, configs.CheckTLS{Verify: true, CA: trusted.file}, "app.example:80", "answered 200"},
		{"wrong name", good, configs.CheckTLS{Verify: true, CA: trusted.file, ServerName: "db.example"}, "app.example",
			"certificate: certificate is valid for app.example, www.app.example, not db.example"},
		{"wrong host", good, configs.CheckTLS{Verify: true, CA: trusted.file}, "db.example",
			"certificate: certificate is valid for app.example, www.app.example, not db.example"},
		{"expired", trusted.config(t, time.Now().Add(-time.Hour), "app.example"), configs.CheckTLS{Verify: true, CA: trusted.file}, "",
			"certificate: certificate has expired or is not yet valid: current time "},
		{"unknown CA", other.config(t, hour, "app.example"), configs.CheckTLS{Verify: true, CA: trusted.file}, "",
			"certificate: certificate signed by unknown authority"},
		{"not the system's CA", good, configs.CheckTLS{Verify: true}, "", "certificate: certificate signed by unknown authority"},
		{"not verified", other.config(t, time.Now().Add(-time.Hour), "app.example"), configs.CheckTLS{}, "", "answered 200"},
		{"plain server", nil, configs.CheckTLS{}, "", "TLS handshake: first record does not look like a TLS handshake"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			check := httpCheck()
			check.TLS, check.Host = &c.check, c.host
			found := once(t, check, "v1", local(t, behindTLS(c.server)))
			if !strings.HasPrefix(found.text(), c.want) {
				t.Errorf("got %q, want %q", found.text(), c.want)
			}
		})
	}
}

// behindTLS takes the PROXY header from a connection and answers a request in TLS, or plainly without a configuration.
func behindTLS(config *tls.Config) func(net.Conn) {
	return func(conn net.Conn) {
		io.ReadFull(conn, make([]byte, len(introV1)))
		if config == nil {
			io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
			silent(conn)
			return
		}
		secure := tls.Server(conn, config)
		answering("HTTP/1.1 200 OK\r\n\r\n")(secure)
		secure.Close()
	}
}

// The least that TLS without HTTP says is that the certificate is good.
func TestTLSConnect(t *testing.T) {
	t.Parallel()
	authority := newCA(t)
	last := make(chan byte, 1)
	config := authority.config(t, time.Now().Add(time.Hour), "app.example")
	config.MaxVersion = tls.VersionTLS12 // 1.3 hides what is an alert
	target := local(t, func(conn net.Conn) {
		raw := &spy{Conn: conn}
		io.Copy(io.Discard, tls.Server(raw, config))
		last <- raw.lastRecord()
	})
	check := &configs.Check{Timeout: 10 * time.Second, TLS: &configs.CheckTLS{Verify: true, CA: authority.file, ServerName: "app.example"}}
	assert.Equal(t, once(t, check, "", target).text(), "connected")
	assert.Equal(t, <-last, 21) // an alert: close_notify (RFC 5246, section 7.2.1), and not the bare end of the connection
	check.Timeout = time.Second // enough to connect
	assert.Equal(t, once(t, check, "", local(t, silent)).text(), "no TLS handshake within 1s")
}
