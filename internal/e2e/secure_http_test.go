package e2e

// HTTP behind TLS is HTTP: bodies of every kind and size, readers of every pace, and connections that stop being HTTP.

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/assert"
)

// curlSecure runs curl with the last argument a path at a.example.com on port 1.
func (s *safe) curlSecure(p *proxy, path string, args ...string) string {
	p.t.Helper()
	all := append([]string{"-sS", "--cacert", s.path("root.pem"), "--resolve", fmt.Sprintf("a.example.com:%d:127.0.0.1", p.port(1))}, args...)
	return outputOf(p.t, "curl", append(all, fmt.Sprintf("https://a.example.com:%d%s", p.port(1), path))...)
}

// What an ordinary client does, over both versions of TLS.
func TestSecureHTTPCurl(t *testing.T) {
	t.Parallel()
	tool(t, "curl")
	s := opensSafe(t)
	p := s.run(shop, site(t, curlSite).address, nobody(t))
	file, said := patternFile(t, 10*mebibyte)
	for _, version := range []string{"--tlsv1.3", "--tls-max=1.2"} {
		version := strings.Split(version, "=")
		has(t, s.curlSecure(p, "/path?a=b&c", append(version, "-i")...), "HTTP/1.1 200 OK\r\n", "\r\n\r\nGET /path?a=b&c HTTP/1.1, length 0")
		line := p.ends("done")
		assert.Equal(t, []string{line.SNI, line.Host}, []string{"a.example.com", fmt.Sprintf("a.example.com:%d", p.port(1))})
		has(t, s.curlSecure(p, "/", append(version, "--data-binary", "@"+file)...), "length 10485760, coding [], "+said)
		assert.Equal(t, p.ends("done").Up, int64(10*mebibyte))
		has(t, s.curlSecure(p, "/put", append(version, "-T", file, "-H", "Transfer-Encoding: chunked")...), "coding [chunked], "+said)
		p.ends("done")
		has(t, s.curlSecure(p, "/parts", append(version, "-i", "-H", "TE: trailers", "-H", "Connection: TE")...), "part one, part two", "X-Sum: 17\r\n")
		p.ends("done")
		has(t, s.curlSecure(p, "/", append(version, "--expect100-timeout", "10", "-H", "Expect: 100-continue", "--data-binary", "@"+file)...), said)
		p.ends("done")
		has(t, s.curlSecure(p, "/parts", append(version, "-0", "-i")...), "\r\n\r\npart one, part two")
		p.ends("done")
	}
}

// 10 MiB arrive as they were sent, up and down at once, with a length and in chunks, and trailers behind them.
func TestSecureHTTPBulk(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	const size = 10 * mebibyte
	p := s.run(shop, site(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Trailer", "X-Seen")
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		}
		_, _ = w.Write(body)
		w.Header().Set("X-Seen", r.Trailer.Get("X-Sum"))
	}).address, nobody(t))
	b := s.browser(p)
	for _, path := range []string{"/length", "/chunks"} {
		r, err := http.NewRequest("POST", b.base+path, io.NopCloser(bytes.NewReader(pattern(3, size))))
		assert.NoError(t, err)
		r.Trailer = http.Header{"X-Sum": {"17"}}
		got, err := b.http.Do(r)
		assert.NoError(t, err)
		body, err := io.ReadAll(got.Body)
		assert.NoError(t, err)
		assert.NoError(t, got.Body.Close())
		assert.Equal(t, bytes.Equal(body, pattern(3, size)), true)
		if path == "/chunks" {
			assert.Equal(t, got.Trailer.Get("X-Seen"), "17")
		}
		line := p.ends("done")
		assert.Equal(t, []int64{line.Up, line.Down}, []int64{size, size})
		assert.Equal(t, line.Spliced, false)
	}
}

// Many requests sent at once are answered in their order.
func TestSecureHTTPPipelining(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	p := s.run(shop, site(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }).address, nobody(t))
	versions(t, func(t *testing.T, version uint16) {
		config := s.trusts("a.example.com")
		config.MaxVersion = version
		client := p.secures(1, config)
		const count = 40 // one after the other, so not more on a machine that has other things to do
		var all strings.Builder
		for i := range count {
			fmt.Fprintf(&all, "GET /%d HTTP/1.1\r\nHost: a.example.com\r\n\r\n", i)
		}
		client.says(all.String())
		heard := 0
		defer func() { t.Logf("%d of %d answers", heard, count) }()
		for i := range count {
			heard = i
			if got := client.hearsBody(); got != fmt.Sprintf("/%d", i) {
				t.Fatalf("answer %d is %q", i, got)
			}
		}
		assert.Equal(t, p.reasons(count), map[string]int{"done": count})
	})
}

// A reader who takes its time gets everything, holds up nobody, and the server is held back meanwhile.
func TestSecureHTTPSlowReader(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	const size = 24 * mebibyte
	var given atomic.Int64
	p := s.run(shop, site(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/big" {
			_, _ = io.WriteString(w, "ok")
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(size))
		for at := 0; at < size; at += mebibyte {
			n, err := w.Write(pattern(at, mebibyte))
			if given.Add(int64(n)); err != nil {
				return
			}
		}
	}).address, nobody(t))
	raw := narrowDial(t, p.addr(1))
	c := tls.Client(raw.Conn, s.trusts("a.example.com"))
	assert.NoError(t, c.Handshake())
	slow := newEnd(t, c)
	slow.says("GET /big HTTP/1.1\r\nHost: a.example.com\r\nConnection: close\r\n\r\n")
	slow.hearsHead()
	before := int64(-1)
	assert.Eventually(t, func() bool { // the server stands still
		p.quiet(100 * time.Millisecond)
		now := given.Load()
		still := now == before && now > 0
		before = now
		return still
	})
	if before > size*3/4 {
		t.Errorf("the server could send %d of %d bytes that nobody has read", before, size)
	}
	assert.Equal(t, s.browser(p).gets("/").body, "ok")
	assert.Equal(t, slow.hearsAll() == string(pattern(0, size)), true)
	assert.Equal(t, p.reasons(2), map[string]int{"done": 2})
}

// A WebSocket behind TLS carries all bytes in both directions.
func TestSecureHTTPWebSocket(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	p := s.run(shop, site(t, wsEcho).address, nobody(t))
	versions(t, func(t *testing.T, version uint16) {
		config := s.trusts("a.example.com")
		config.MaxVersion = version
		client := p.secures(1, config)
		client.says(strings.Replace(upgrade, "Host: x", "Host: a.example.com", 1))
		status, _ := client.hearsHead()
		assert.Equal(t, status, "HTTP/1.1 101 Switching Protocols")
		kind, _, err := wsRead(client)
		assert.NoError(t, err)
		assert.Equal(t, kind, byte(wsPing))
		for _, n := range []int{0, 125, 126, 16 << 10, 70_000, 3 * mebibyte} {
			sent := make(chan error, 1)
			go func() {
				_, err := client.Write(wsFrame(wsBinary, pattern(7, n), true))
				sent <- err
			}()
			kind, payload, err := wsRead(client)
			assert.NoError(t, err)
			assert.NoError(t, <-sent)
			if kind != wsBinary || !bytes.Equal(payload, pattern(7, n)) {
				t.Fatalf("a message of %d bytes comes back as %d bytes of kind %d", n, len(payload), kind)
			}
		}
		client.says(string(wsFrame(wsClose, []byte{3, 232}, true)))
		_, _, err = wsRead(client)
		assert.NoError(t, err)
		client.hearsEnd()
		client.fin()
		line := p.ends("server_end")
		assert.Equal(t, line.Status, 101)
		assert.Equal(t, line.Down > 3*mebibyte, true)
	})
}

// A tunnel of another protocol carries bulk, there and back.
func TestSecureTunnelBulk(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	p := s.run(shop, nobody(t), greeter(t, "raw").address())
	versions(t, func(t *testing.T, version uint16) {
		config := s.trusts("a.example.com")
		config.MaxVersion = version
		client := p.secures(2, config)
		client.hears("raw\n")
		const size = 10 * mebibyte
		sent := make(chan error, 1)
		go func() {
			_, err := client.Write(pattern(1, size))
			sent <- err
		}()
		got := make([]byte, size)
		client.hearsInto(got)
		assert.NoError(t, <-sent)
		assert.Equal(t, bytes.Equal(got, pattern(1, size)), true)
		client.fin()
		client.hearsEnd()
		assert.Equal(t, p.ends("client_end").Up, int64(size))
	})
}
