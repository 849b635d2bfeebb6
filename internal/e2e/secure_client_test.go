package e2e

// Who a client is: certificates of clients, what servers and the log hear of them, and what a client may not say of itself.

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/internal/assert"
)

// asking has a listener for each way to ask, and a plain one.
const asking = `
listeners:
  required: {bind: "127.0.0.1:PORT1", tls: {certificates: DIR/ec.pem, client_auth: require, client_ca: DIR/clients.pem, client_headers: true}, upstream: web}
  optional: {bind: "127.0.0.1:PORT2", tls: {certificates: DIR/ec.pem, client_auth: optional, client_ca: DIR/clients.pem, client_headers: true}, upstream: web}
  silent: {bind: "127.0.0.1:PORT3", tls: {certificates: DIR/ec.pem, client_auth: optional, client_ca: DIR/clients.pem}, upstream: web}
  plain: {bind: "127.0.0.1:PORT4", upstream: web}
  raw: {bind: "127.0.0.1:PORT5", protocol: tcp, tls: {certificates: DIR/ec.pem, client_auth: require, client_ca: DIR/clients.pem}, upstream: raw}
upstreams: {web: {servers: ["%s"]}, raw: {servers: ["%s"]}}
runtime: {loops: 2}
`

// tellsOfClient answers with the fields and trailers that begin like those about a client's certificate.
func tellsOfClient(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	var told []string
	for kind, fields := range map[string]http.Header{"field": r.Header, "trailer": r.Trailer} {
		for name, values := range fields {
			if strings.HasPrefix(strings.ToLower(name), "x-client") || kind == "trailer" {
				told = append(told, fmt.Sprint(kind, " ", name, " ", values))
			}
		}
	}
	slices.Sort(told)
	_, _ = io.WriteString(w, strings.Join(told, "\n"))
}

// guards starts asking, with an authority for clients.
func guards(t testing.TB) (s *safe, clients *paper, p *proxy) {
	t.Helper()
	s, clients = opensSafe(t), authority(t, "Clients")
	s.put("clients.pem", clients.cert())
	return s, clients, s.run(asking, site(t, tellsOfClient).address, greeter(t, "raw").address())
}

// Each way to ask, with each kind of certificate: who comes in, who does not, and what the log says.
func TestSecureClientCertificates(t *testing.T) {
	t.Parallel()
	s, clients, p := guards(t)
	till := clients.issues(t, "till-7")
	stale := siteOf("till-1")
	stale.NotBefore, stale.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	late := signed(t, stale, ecKey(t), clients)
	stranger := authority(t, "Strangers").issues(t, "till-9")
	versions(t, func(t *testing.T, version uint16) {
		shows := func(who *paper) *tls.Config {
			config := s.trusts("a.example.com")
			config.MaxVersion = version
			if who != nil { // shown whatever the proxy says whom it believes
				pair := who.pair()
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
			}
			return config
		}
		for _, row := range []struct {
			port   int
			who    *paper
			detail string // "" = comes in
		}{
			{1, till, ""}, {1, nil, "showed no certificate"}, {1, stranger, "unknown authority"}, {1, late, "expired"},
			{2, till, ""}, {2, nil, ""}, {2, stranger, "unknown authority"}, {2, late, "expired"},
			{4 + 1, till, ""}, {4 + 1, nil, "showed no certificate"}, {4 + 1, stranger, "unknown authority"},
		} {
			if row.detail != "" {
				p.refuses(row.port, shows(row.who))
				p.turnsAway("client_certificate", row.detail)
				continue
			}
			client := p.secures(row.port, shows(row.who))
			if row.port == 5 {
				client.hears("raw\n")
			} else {
				client.asksAt("/")
			}
			assert.NoError(t, client.Close())
			subject := ""
			if row.who != nil {
				subject = "CN=till-7,O=Shop"
			}
			assert.Equal(t, p.next().ClientCert, subject)
		}
	})
}

// Servers hear who the client is where the listener says so, and nowhere else.
func TestSecureClientHeaders(t *testing.T) {
	t.Parallel()
	s, clients, p := guards(t)
	till := clients.issues(t, "till-7")
	config := s.trusts("a.example.com")
	config.Certificates = []tls.Certificate{till.pair()}
	sum := sha256.Sum256(till.leaf.Raw)
	want := strings.Join([]string{
		"field X-Client-Cert-Fingerprint [" + hex.EncodeToString(sum[:]) + "]", "field X-Client-Cert-Issuer [CN=Clients]",
		"field X-Client-Cert-Not-After [" + till.leaf.NotAfter.UTC().Format(time.RFC3339) + "]",
		fmt.Sprintf("field X-Client-Cert-Serial [%x]", till.leaf.SerialNumber), "field X-Client-Cert-Subject [CN=till-7,O=Shop]",
	}, "\n")
	for range 2 { // the second connection may resume
		assert.Equal(t, p.secures(1, config).asksAt("/"), want)
		assert.Equal(t, p.secures(2, config).asksAt("/"), want)
	}
	assert.Equal(t, p.secures(2, s.trusts("a.example.com")).asksAt("/"), "")
	assert.Equal(t, p.secures(3, config).asksAt("/"), "")
}

// What a client says of its certificate by itself reaches no server: in no spelling, in no trailer, on no listener.
func TestSecureClientHeadersCannotBeForged(t *testing.T) {
	t.Parallel()
	s, clients, p := guards(t)
	config := s.trusts("a.example.com")
	config.Certificates = []tls.Certificate{clients.issues(t, "till-7").pair()}
	const forged = "POST / HTTP/1.1\r\nHost: a.example.com\r\nX-Client-Cert-Subject: CN=root\r\nx-client-cert-subject: CN=root\r\nX-CLIENT-CERT-VERIFY: yes\r\n" +
		"Transfer-Encoding: chunked\r\nTrailer: X-Client-Cert-Subject\r\nConnection: X-Client-Cert-Issuer\r\n\r\n" +
		"2\r\nok\r\n0\r\nx-Client-Cert-Subject: CN=root\r\nX-CLIENT-CERT-ISSUER: CN=root\r\nX-Sum: 17\r\n\r\n"
	for port := 1; port <= 4; port++ {
		client := p.dial(port)
		if port < 4 {
			client = p.secures(port, config)
		}
		client.says(forged)
		told := client.hearsBody()
		if strings.Contains(told, "root") || strings.Contains(told, "yes") {
			t.Errorf("port %d: the server believes\n%s", port, told)
		}
		assert.Equal(t, strings.Contains(told, "CN=till-7"), port < 3)
		assert.Equal(t, strings.Contains(told, "X-Client-Cert-Issuer [CN=Clients]"), port < 3) // not even by naming it in Connection
	}
}

// Whoever shook hands for one name may not ask for another: 421, and the connection stays.
func TestSecureClientsOfAnotherName(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	s.keeps("both", s.root.issues(t, "a.example.com", "b.example.com"))
	p := s.run(strings.ReplaceAll(shop, "DIR/ec.pem", "DIR/both.pem"), site(t, names("ok")).address, nobody(t))
	client := p.secures(1, s.trusts("a.example.com"))
	assert.Equal(t, client.asksAt("/"), "ok")
	p.ends("done")
	client.says("GET / HTTP/1.1\r\nHost: b.example.com\r\n\r\n")
	status, fields := client.hearsHead()
	assert.Equal(t, status, "HTTP/1.1 421 Misdirected Request")
	line := p.ends("misdirected")
	assert.Equal(t, []string{line.SNI, line.Host}, []string{"a.example.com", "b.example.com"})
	has(t, line.Detail, "name")
	assert.Equal(t, slices.ContainsFunc(fields, func(f string) bool { return strings.HasPrefix(f, "Content-Length: ") }), true)
	for _, host := range []string{"A.example.COM", "a.example.com.", "a.example.com:443"} {
		client := p.secures(1, s.trusts("a.example.com"))
		client.says("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
		assert.Equal(t, client.hearsBody(), "ok")
	}
	// Without a name in the handshake there is nothing to disagree with.
	nameless := s.trusts("")
	nameless.InsecureSkipVerify = true
	assert.Equal(t, p.secures(1, nameless).asksAt("/"), "ok")
}
