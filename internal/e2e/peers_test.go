package e2e

// The programs that users have in front of the proxy and behind it.

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sluice/internal/assert"
)

// pemFiles writes an identity as the two files that servers want.
func pemFiles(t testing.TB, dir string, id tls.Certificate) (cert, key string) {
	t.Helper()
	secret, err := x509.MarshalECPrivateKey(id.PrivateKey.(*ecdsa.PrivateKey))
	assert.NoError(t, err)
	cert = writeFile(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.Certificate[0]})))
	key = writeFile(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})))
	return cert, key
}

// nginx runs nginx with server blocks in its http part.
func nginx(t testing.TB, dir, servers string) {
	t.Helper()
	tool(t, "nginx")
	path := writeFile(t, filepath.Join(dir, "nginx.conf"), `
daemon off; master_process off; worker_processes 1; pid `+dir+`/nginx.pid; error_log stderr;
events {}
http {
	access_log off; default_type text/plain;
	client_body_temp_path `+dir+`; proxy_temp_path `+dir+`; fastcgi_temp_path `+dir+`; uwsgi_temp_path `+dir+`; scgi_temp_path `+dir+`;
`+servers+`
}
`)
	startTool(t, "nginx", "-p", dir, "-c", path, "-e", "stderr")
}

// passthrough is TLS by name to one server.
const passthrough = `
listeners: {edge: {bind: "127.0.0.1:PORT1", protocol: tcp}}
routes: {sni: a.example.com, upstream: back}
upstreams: {back: {servers: "127.0.0.1:%d"}}
`

// curl speaks HTTPS with nginx through the proxy, checks nginx's certificate, and agrees on HTTP/2.
func TestPeersCurlToNginx(t *testing.T) {
	t.Parallel()
	tool(t, "curl")
	dir, port := t.TempDir(), freePort(t)
	cert, key := pemFiles(t, dir, identity(t, "a.example.com"))
	nginx(t, dir, fmt.Sprintf(`server { listen 127.0.0.1:%d ssl http2; ssl_certificate %s; ssl_certificate_key %s;
		location / { return 200 "$ssl_server_name $server_protocol\n"; } }`, port, cert, key))
	p := run(t, passthrough, port)
	answersAt(t, loopback(port))
	url := fmt.Sprintf("https://a.example.com:%d/", p.port(1))
	resolve := fmt.Sprintf("a.example.com:%d:127.0.0.1", p.port(1))
	assert.Equal(t, outputOf(t, "curl", "-sS", "--http2", "--cacert", cert, "--resolve", resolve, url), "a.example.com HTTP/2.0\n")
	assert.Equal(t, p.next().ALPN, "h2")
	assert.Equal(t, outputOf(t, "curl", "-sS", "--http1.1", "--cacert", cert, "--resolve", resolve, url), "a.example.com HTTP/1.1\n")
	line := p.next()
	assert.Equal(t, line.ALPN, "http/1.1")
	assert.Equal(t, line.SNI, "a.example.com")
}

// openssl's client meets openssl's server, in every version of TLS that both have.
func TestPeersOpenSSL(t *testing.T) {
	t.Parallel()
	tool(t, "openssl")
	dir, port := t.TempDir(), freePort(t)
	cert, key := pemFiles(t, dir, identity(t, "a.example.com"))
	startTool(t, "openssl", "s_server", "-accept", "127.0.0.1:"+strconv.Itoa(port), "-cert", cert, "-key", key, "-www", "-quiet")
	p := run(t, passthrough, port)
	answersAt(t, loopback(port))
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		cmd := exec.CommandContext(t.Context(), "openssl", "s_client", "-connect", p.addr(1), "-servername", "a.example.com",
			version, "-CAfile", cert, "-verify_return_error", "-verify_hostname", "a.example.com", "-ign_eof", "-brief")
		cmd.Stdin = strings.NewReader("GET / HTTP/1.0\r\n\r\n")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "Verification: OK") || !strings.Contains(string(out), "HTTP/1.0 200") {
			t.Errorf("%s: %v\n%s", version, err, out)
		}
		assert.Equal(t, p.next().SNI, "a.example.com")
	}
}

// HAProxy and nginx believe the headers that we send, of both versions.
func TestPeersReceiveProxyProtocol(t *testing.T) {
	t.Parallel()
	const front = `
listeners:
  one: {bind: "127.0.0.1:PORT1", protocol: tcp, upstream: one}
  two: {bind: "127.0.0.1:PORT2", protocol: tcp, upstream: two}
upstreams:
  one: {servers: "127.0.0.1:%[1]d", proxy_protocol: v1}
  two: {servers: "127.0.0.1:%[1]d", proxy_protocol: v2}
`
	for name, start := range map[string]func(t testing.TB, port int){
		"nginx": func(t testing.TB, port int) {
			nginx(t, t.TempDir(), fmt.Sprintf(`server { listen 127.0.0.1:%d proxy_protocol;
				location / { return 200 "$proxy_protocol_addr:$proxy_protocol_port $proxy_protocol_server_port"; } }`, port))
		},
		"haproxy": func(t testing.TB, port int) {
			tool(t, "haproxy")
			startTool(t, "haproxy", "-db", "-f", writeFile(t, filepath.Join(t.TempDir(), "haproxy.cfg"), fmt.Sprintf(`
defaults
	mode http
	timeout client 5s
frontend f
	bind 127.0.0.1:%d accept-proxy
	http-request return status 200 content-type text/plain lf-string "%%[src]:%%[src_port] %%[dst_port]"
`, port)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := freePort(t)
			start(t, port)
			answersAt(t, loopback(port))
			p := run(t, front, port)
			for n := 1; n <= 2; n++ {
				client := p.dial(n)
				client.says("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				want := fmt.Sprintf("%s %d", client.local(), p.port(n))
				if answer := client.hearsAll(); !strings.HasSuffix(answer, want) {
					t.Errorf("PROXY v%d: %s\nwant at its end %s", n, answer, want)
				}
			}
		})
	}
}

// curl and HAProxy send headers that we believe.
func TestPeersSendProxyProtocol(t *testing.T) {
	t.Parallel()
	tool(t, "curl")
	tool(t, "haproxy")
	dir, origin, h1, h2 := t.TempDir(), freePort(t), freePort(t), freePort(t)
	nginx(t, dir, fmt.Sprintf(`server { listen 127.0.0.1:%d; location / { return 200 "served"; } }`, origin))
	p := run(t, `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: tcp, upstream: back, proxy_protocol: {mode: require, from: 127.0.0.0/8}}}
upstreams: {back: {servers: "127.0.0.1:%d"}}
`, origin)
	startTool(t, "haproxy", "-db", "-f", writeFile(t, filepath.Join(dir, "haproxy.cfg"), fmt.Sprintf(`
defaults
	mode tcp
	timeout client 5s
	timeout server 5s
	timeout connect 5s
listen one
	bind 127.0.0.1:%d
	server s 127.0.0.1:%d send-proxy
listen two
	bind 127.0.0.1:%d
	server s 127.0.0.1:%d send-proxy-v2
`, h1, p.port(1), h2, p.port(1))))
	answersAt(t, loopback(origin))
	assert.Equal(t, outputOf(t, "curl", "-sS", "--haproxy-protocol", "http://"+p.addr(1)), "served")
	if line := p.next(); line.Peer == "" || line.Peer != line.Client {
		t.Errorf("curl speaks for itself, the log says %+v", line)
	}
	for _, port := range []int{h1, h2} {
		assert.Eventually(t, func() bool { return listening(t, port) > 0 })
		out := outputOf(t, "curl", "-sS", "-w", " %{local_port}", "http://"+loopback(port))
		local, served := strings.CutPrefix(out, "served ")
		assert.Equal(t, served, true)
		line := p.next()
		assert.Equal(t, line.Client, "127.0.0.1:"+local)
		assert.Equal(t, line.Peer != line.Client, true)
	}
}

// socat half-closes like a user's script: it sends a file, ends, and waits for what comes back.
func TestPeersSocatHalfClose(t *testing.T) {
	t.Parallel()
	tool(t, "socat")
	port := freePort(t)
	startTool(t, "socat", "TCP-LISTEN:"+strconv.Itoa(port)+",bind=127.0.0.1,reuseaddr,fork", "EXEC:sort")
	p := run(t, simple, loopback(port))
	assert.Eventually(t, func() bool { return listening(t, port) > 0 })
	cmd := exec.CommandContext(t.Context(), "socat", "-t", "10", "-", "TCP:"+p.addr(1))
	cmd.Stdin = strings.NewReader("pear\napple\n")
	out, err := cmd.CombinedOutput()
	assert.NoError(t, err)
	assert.Equal(t, string(out), "apple\npear\n")
	p.ends("client_end")
}

// wrk keeps both loops busy, with connections that stay and with ones that are opened for each request.
func TestPeersWrk(t *testing.T) {
	t.Parallel()
	tool(t, "wrk")
	port := freePort(t)
	nginx(t, t.TempDir(), fmt.Sprintf(`server { listen 127.0.0.1:%d backlog=4096; location / { return 200 "served"; } }`, port))
	answersAt(t, loopback(port))
	p := run(t, simple+"log: {access: {to: off}}", loopback(port))
	for _, header := range []string{"Connection: keep-alive", "Connection: close"} {
		out := outputOf(t, "wrk", "-t1", "-c32", "-d1s", "-H", header, "http://"+p.addr(1)+"/")
		if strings.Contains(out, "Socket errors") || strings.Contains(out, "Non-2xx") || !strings.Contains(out, "Requests/sec") {
			t.Errorf("%s:\n%s", header, out)
		}
	}
}
